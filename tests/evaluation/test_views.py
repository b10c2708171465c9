"""Laws of multi-view testing: each view of each item once, in whatever order and on whichever process."""

import pickle

import pytest
import torch

from videonet.evaluation.views import Views

ITEMS, VIEWS, CLASSES = 5, 3, 4
SCORES = torch.rand(ITEMS, VIEWS, CLASSES, generator=torch.Generator().manual_seed(0))
LABEL = torch.tensor([3, 1, 0, 2, 2])
PAIRS = [(item, view) for item in range(ITEMS) for view in range(VIEWS)]


def _fill(views: Views, pairs: list, chunk: int = 4) -> Views:
    for start in range(0, len(pairs), chunk):
        item, view = torch.tensor(pairs[start : start + chunk]).T
        views.update(SCORES[item, view], LABEL[item], item, view)
    return views


@pytest.mark.parametrize("how", ["sum", "max"])
@pytest.mark.parametrize("chunk", [1, 4, 100])
def test_scores_are_the_mean_or_the_maximum_of_the_views(how, chunk):
    result = _fill(Views(ITEMS, views=VIEWS, how=how), PAIRS, chunk).compute()
    expected = SCORES.double().mean(1).float() if how == "sum" else SCORES.amax(1)
    torch.testing.assert_close(result.scores, expected)
    assert result.index.tolist() == list(range(ITEMS))
    assert torch.equal(result.target, LABEL)
    assert result.missing == {}


@pytest.mark.parametrize("how", ["sum", "max"])
@pytest.mark.parametrize("world", [1, 2, 3, 7])
def test_how_the_views_are_shared_does_not_matter(how, world):
    order = torch.randperm(len(PAIRS), generator=torch.Generator().manual_seed(world)).tolist()
    whole = _fill(Views(ITEMS, views=VIEWS, how=how), PAIRS).compute()
    parts = [_fill(Views(ITEMS, views=VIEWS, how=how), [PAIRS[i] for i in order[r::world]]) for r in range(world)]
    parts = pickle.loads(pickle.dumps(parts)) if world > 1 else parts
    parts[0].merge(parts)
    assert torch.equal(parts[0].compute().scores, whole.scores)
    assert torch.equal(parts[0].compute().target, whole.target)


def test_without_view_numbers_each_item_has_one():
    views = Views(2)
    views.update(SCORES[:2, 0], LABEL[:2], torch.tensor([1, 0]))
    assert torch.equal(views.compute().scores, SCORES[[1, 0], 0])


def test_labels_may_be_many():
    views = Views(1)
    views.update(SCORES[:1, 0], torch.tensor([[1.0, 0, 0, 1]]), torch.tensor([0]))
    assert views.compute().target.tolist() == [[1, 0, 0, 1]]


def test_a_view_that_never_came_is_named():
    views = _fill(Views(ITEMS, views=VIEWS), PAIRS[:-4])
    with pytest.raises(ValueError, match=r"2 of 5 items lack views: 3 \(2 of 3\), 4 \(0 of 3\)$"):
        views.compute()


def test_a_view_that_came_twice_is_an_error_also_between_processes():
    views = _fill(Views(ITEMS, views=VIEWS), PAIRS)
    with pytest.raises(ValueError, match=r"item 2 view \[1\] was scored twice"):
        _fill(views, [(2, 1)])
    other = _fill(Views(ITEMS, views=VIEWS), [(4, 0)])
    first = _fill(Views(ITEMS, views=VIEWS), PAIRS)
    with pytest.raises(ValueError, match=r"item 4 view \[0\] was scored twice"):
        first.merge([first, other])


@pytest.mark.parametrize("pair", [(5, 0), (0, 3), (-1, 0)])
def test_an_item_or_view_that_is_not_expected_is_an_error(pair):
    views = Views(ITEMS, views=VIEWS)
    with pytest.raises(ValueError, match="is not of the 5 x 3 expected"):
        views.update(torch.zeros(1, 4), torch.tensor([0]), torch.tensor([pair[0]]), torch.tensor([pair[1]]))


def test_unreadable_items_are_counted_and_not_scored():
    views = _fill(Views(ITEMS, views=VIEWS), [pair for pair in PAIRS if pair[0] != 2])
    views.skip([(2, "empty")])
    result = views.compute()
    assert result.missing == {2: "empty"}
    assert result.index.tolist() == [0, 1, 3, 4]
    assert torch.equal(result.target, LABEL[[0, 1, 3, 4]])


def test_all_unreadable_is_an_empty_result():
    views = Views(2)
    views.skip([(0, "missing"), (1, "missing")])
    assert len(views.compute().index) == 0


def test_reset_forgets():
    views = _fill(Views(ITEMS, views=VIEWS), PAIRS)
    views.reset()
    assert torch.equal(_fill(views, PAIRS).compute().target, LABEL)


def test_impossible_settings_are_errors():
    with pytest.raises(ValueError, match="'sum' or 'max', got 'mean'"):
        Views(3, how="mean")
    with pytest.raises(ValueError, match="at least 1 view"):
        Views(3, views=0)
