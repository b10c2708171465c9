"""Laws of scoring: every view once and an equal figure at world sizes 1, 2 and 3."""

from pathlib import Path

import pytest
import torch
from torch import nn

from tests.engine import group
from videonet import distributed
from videonet.engine import scoring
from videonet.engine.scoring import evaluate, measure
from videonet.engine.task import Classification, MultiLabel
from videonet.evaluation.classes import PerClass
from videonet.evaluation.mean_ap import MeanAP
from videonet.evaluation.topk import TopK
from videonet.evaluation.views import Views

ITEMS, VIEWS, CLASSES = 7, 6, 4
UNREADABLE = 5


def _clips() -> torch.Tensor:
    return torch.randint(0, 255, (ITEMS, VIEWS, 3, 5), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def _model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(15, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, CLASSES))


def _prepare(batch: dict) -> tuple:
    return (batch["clip"].float() / 255,), batch["label"]


def _label(item: int) -> int:
    return item * 3 % CLASSES


def _videos(items) -> list[dict]:
    """One batch a video, with all its views."""
    return [
        {
            "clip": _clips()[item],
            "label": torch.full((VIEWS,), _label(item)),
            "index": torch.full((VIEWS,), item),
            "view": torch.arange(VIEWS),
        }
        for item in items
    ]


def _batches(items: list[int], size: int) -> list[dict]:
    """Single views, `size` items a batch."""
    parts = [items[start : start + size] for start in range(0, len(items), size)]
    return [
        {"clip": _clips()[part, 0], "label": torch.tensor([_label(i) for i in part]), "index": torch.tensor(part)}
        for part in parts
    ]


def score(folder: Path) -> dict:
    """What one process of any number finds: a multi-view test of all items, an evaluation with one unreadable."""
    model = _model()
    mine = list(range(distributed.rank(), ITEMS, distributed.world_size()))
    found = {}
    for how in ("sum", "max"):
        views = Views(ITEMS, views=VIEWS, how=how)
        loss = scoring.test(model, _videos(mine), Classification(), views, prepare=_prepare, chunk=4)
        result = views.compute()
        figures = measure(result, [TopK((1, 2)), PerClass(CLASSES)])
        found[how] = {"loss": loss, "index": result.index, "scores": result.scores, "figures": figures}
    readable = [item for item in mine if item != UNREADABLE]
    found["evaluate"] = evaluate(
        model,
        _batches(readable, 2),
        Classification(),
        [TopK()],
        ensemble=Views(ITEMS),
        prepare=_prepare,
        missing=lambda: [(UNREADABLE, "empty")] if UNREADABLE in mine else [],
    )
    return found


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    return score(tmp_path_factory.mktemp("alone"))


@pytest.mark.parametrize("world", [2, 3])
def test_the_figures_are_equal_at_every_world_size(tmp_path, alone, world):
    for rank in group.run(score, world, tmp_path):
        for how in ("sum", "max"):
            assert torch.equal(rank[how]["scores"], alone[how]["scores"])
            assert rank[how]["index"].tolist() == list(range(ITEMS))
            assert rank[how]["figures"] == alone[how]["figures"]
            assert rank[how]["loss"] == pytest.approx(alone[how]["loss"])
        loss, expected = rank["evaluate"].pop("loss"), dict(alone["evaluate"])
        assert loss == pytest.approx(expected.pop("loss"))
        assert rank["evaluate"] == expected


def test_scores_are_the_mean_of_the_probabilities_of_the_views(alone):
    model = _model().eval()
    expected = torch.stack([model(clip.float() / 255).softmax(1).mean(0) for clip in _clips()])
    torch.testing.assert_close(alone["sum"]["scores"], expected.detach())


def test_unreadable_items_are_reported_beside_the_figures(alone):
    assert (alone["evaluate"]["items"], alone["evaluate"]["missing"]) == (ITEMS - 1, 1)
    assert {"loss", "top1", "top4", "top1_err"} <= set(alone["evaluate"])


@pytest.mark.parametrize("chunk", [0, 1, 4, 5, 100])
def test_views_go_through_the_model_in_chunks(alone, chunk):
    views, sizes = Views(ITEMS, views=VIEWS), []
    model = _model().eval()

    def scores(clip):
        sizes.append(len(clip))
        return model(clip).softmax(1)

    assert (
        scoring.test(
            model, _videos(range(ITEMS)), Classification(), views, prepare=_prepare, scores=scores, chunk=chunk
        )
        is None
    )
    assert max(sizes) <= (chunk or VIEWS) and sum(sizes) == ITEMS * VIEWS
    torch.testing.assert_close(views.compute().scores, alone["sum"]["scores"])


def test_a_video_that_nobody_scored_is_an_error():
    views = Views(ITEMS, views=VIEWS)
    scoring.test(_model(), _videos(range(ITEMS - 1)), Classification(), views, prepare=_prepare)
    with pytest.raises(ValueError, match=r"1 of 7 items lack views: 6 \(0 of 6\)"):
        views.compute()


def test_an_evaluation_begins_anew_each_time_and_leaves_no_gradient():
    views, model = Views(ITEMS), _model()
    batches = _batches(list(range(ITEMS)), 3)
    first, second = (
        evaluate(model, batches, Classification(), [TopK()], ensemble=views, prepare=_prepare) for _ in range(2)
    )
    assert first == second
    assert not model.training and all(weight.grad is None for weight in model.parameters())


def test_many_labels_are_measured_by_mean_average_precision():
    batches = _batches(list(range(ITEMS)), 3)
    for batch in batches:
        batch["label"] = nn.functional.one_hot(batch["label"], CLASSES).float()
    found = evaluate(_model(), batches, MultiLabel(), [MeanAP()], ensemble=Views(ITEMS), prepare=_prepare)
    assert 0 < found["mAP"] <= 1


def test_low_precision_gives_float32_scores():
    views = Views(ITEMS, views=VIEWS)
    scoring.test(_model(), _videos(range(ITEMS)), Classification(), views, prepare=_prepare, precision="bf16")
    assert views.compute().scores.dtype == torch.float32
