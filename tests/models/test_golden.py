"""Against the published networks: parameters, keys and multiply-adds exactly, outputs within 1e-4 of their scale."""

from pathlib import Path

import pytest
import torch

from tests.models import golden
from tests.models.golden import CASES, Case
from videonet.models.weights import load_weights, match_state

WITH_OUTPUTS = (
    "AVA__SLOWFAST_32x2_R50_SHORT",
    "Kinetics__C2D_8x8_R50",
    "Kinetics__I3D_NLN_8x8_R50",
    "Kinetics__SLOWFAST_8x8_R50",
    "Kinetics__SLOW_8x8_R50",
    "Kinetics__X3D_M",
    "Kinetics__pytorchvideo__CSN_32x2_R101",
)
QUICK = {(file, "small_fanin") for file in WITH_OUTPUTS} | {("Kinetics__I3D_NLN_8x8_R50", "small_spec")}
OUTPUTS = [  # the second file tells theta from phi in a softmax, which the first hardly does
    pytest.param(case, kind, id=f"{case.file}-{kind}", marks=() if (case.file, kind) in QUICK else pytest.mark.nightly)
    for case in CASES
    for kind in ("small_fanin", "small_spec", "full_fanin")
    if case.file in WITH_OUTPUTS
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.file)
def test_parameters_keys_and_multiply_adds_are_the_published_ones(shared: Path, case: Case) -> None:
    figures = golden.need(shared, case)
    with torch.device("meta"):
        model = case.build(figures["output_shape"][1])
        state = {k: torch.empty(shape) for k, shape in figures["state_dict"].items()}
    assert sum(p.numel() for p in model.parameters()) == figures["param_count"]
    placed, report = match_state(model, state)
    assert not report.problems()
    assert len(set(report.renamed.values())) == len(report.loaded) == len(placed)
    counted = golden.multiply_adds(model, figures["input_shapes"][-1])
    assert counted == golden.published_multiply_adds(figures)


@pytest.mark.parametrize("case, kind", OUTPUTS)
def test_outputs_are_the_published_ones(shared: Path, case: Case, kind: str) -> None:
    figures = golden.need(shared, case)
    published = next(c for c in figures["cases"] if c["name"] == kind)
    fill = golden.load_fill(shared)
    crop = published["cfg_overrides"].get("DATA.TRAIN_CROP_SIZE")
    model = case.build(figures["output_shape"][1], **({"crop": crop} if crop else {}))
    load_weights(model, fill.make_state_dict(figures["state_dict"], published["fill_mode"]))
    clip = fill.golden_input(published["full_input_shape"])
    clip = clip.flip(1) if figures["reverse_input_channel"] else clip
    boxes = None if case.boxes is None else torch.tensor(published["boxes"])
    with torch.no_grad():
        scores = model.scores(clip, boxes)
        logits = model(clip, boxes) if case.boxes is not None else dense_logits(model, clip)
    for found, wanted in ((logits, published["logits"]), (scores, published["output"])):
        result = fill.check(found, wanted)
        assert result["ok"], result


def dense_logits(model: torch.nn.Module, clip: torch.Tensor) -> torch.Tensor:
    """Logits at every position that the training window takes on the map of the clip."""
    return model.head.dense(model.pathways(clip), model.window)
