"""Lists from folders: every video in one list, classes in order, the same split for the same seed, honest notes."""

import pytest

from videonet.data.kinetics import ListError, read_list
from videonet.data.lists import find_videos, from_folders


@pytest.fixture
def make(tmp_path):
    def make(**counts):
        for folder, count in counts.items():
            for number in range(count):
                path = tmp_path / "videos" / folder.replace("__", "/") / f"clip, no {number}.mp4"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
        return tmp_path / "videos"

    return make


def names(path) -> set[str]:
    return {record.path for record in read_list(path)}


def test_find_videos(tmp_path):
    for name in ("b.MP4", "a/x.webm", "a/y.txt", ".hidden/z.mp4", "a/.part.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert find_videos(tmp_path) == ["a/x.webm", "b.MP4"]


def test_a_stratified_split_that_loses_and_repeats_nothing(make, tmp_path):
    root = make(walk=10, run=20, jump=3)
    report = from_folders(root, tmp_path / "lists", val_fraction=0.2, seed=1)
    train, val = read_list(tmp_path / "lists/train.csv", training=True), read_list(tmp_path / "lists/val.csv")
    assert train.classes == ("jump", "run", "walk")
    assert [(train.labels == label).sum().item() for label in range(3)] == [2, 16, 8]
    assert [(val.labels == label).sum().item() for label in range(3)] == [1, 4, 2]
    every = {str(root / path) for path in find_videos(root)}
    assert names(tmp_path / "lists/train.csv") | names(tmp_path / "lists/val.csv") == every
    assert not names(tmp_path / "lists/train.csv") & names(tmp_path / "lists/val.csv")
    assert all(
        record.path.split("/")[-2] == train.classes[record.label] for records in (train, val) for record in records
    )
    assert {key: report[key] for key in ("classes", "train", "val", "per_class_min", "per_class_max", "notes")} == {
        "classes": 3,
        "train": 26,
        "val": 7,
        "per_class_min": 2,
        "per_class_max": 16,
        "notes": [],
    }
    assert report["val_digest"] == val.digest()
    assert from_folders(root, tmp_path / "again", seed=1)["val_digest"] == report["val_digest"]
    assert from_folders(root, tmp_path / "other", seed=2)["val_digest"] != report["val_digest"]


def test_paths_are_relative_where_the_set_can_move(make, tmp_path):
    root = make(a=4, b=4)
    from_folders(root, root)
    assert read_list(root / "train.csv").path(0).startswith("a/clip, no ")
    root.rename(tmp_path / "moved")
    assert names(tmp_path / "moved/val.csv") < {
        str(tmp_path / "moved" / path) for path in find_videos(tmp_path / "moved")
    }


def test_split_folders_are_kept(make, tmp_path):
    root = make(train__a=3, train__b=2, val__b=1, test__a=2)
    report = from_folders(root, tmp_path / "lists")
    assert (report["train"], report["val"], report["test"]) == (5, 1, 2)
    assert read_list(tmp_path / "lists/val.csv")[0].label == 1
    assert "val has no video of 1 of 2 classes: a" in report["notes"]


def test_lists_of_an_earlier_run_do_not_stay(make, tmp_path):
    root = make(train__a=3, train__b=2, test__a=2, val__a=1)
    from_folders(root, tmp_path / "lists")
    for path in root.glob("test/*/*"):
        path.unlink()
    from_folders(root, tmp_path / "lists")
    assert not (tmp_path / "lists/test.csv").exists()


def test_notes_on_what_is_odd(make, tmp_path):
    root = make(a=1, b=5)
    (root / "empty").mkdir()
    notes = from_folders(root, tmp_path / "lists")["notes"]
    assert any("'empty' has no video" in note for note in notes)
    assert any("1 classes have one video, none for val: a" in note for note in notes)
    assert from_folders(root, tmp_path / "all", val_fraction=0).get("val") is None


def test_what_cannot_be_learned_from_is_refused(make, tmp_path):
    with pytest.raises(ListError, match="no such folder"):
        from_folders(tmp_path / "none", tmp_path)
    with pytest.raises(ListError, match="found 1 class folders with videos, need at least 2"):
        from_folders(make(a=3), tmp_path / "lists")
    with pytest.raises(ValueError, match="val_fraction"):
        from_folders(make(b=3), tmp_path / "lists", val_fraction=1)
    (make(b=1) / "b" / "two\nlines.mp4").touch()
    with pytest.raises(ListError, match="line breaks"):
        from_folders(tmp_path / "videos", tmp_path / "lists")
