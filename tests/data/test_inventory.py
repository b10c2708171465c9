"""What is there of Something-Something V2, Charades and AVA: counted against the official files, and named."""

import json
import shutil

import pytest

from tests import made_sets
from videonet.cli.main import main
from videonet.data import inventory
from videonet.data.demo import write_video

ACTIONS = "id,subject,actions,length\n"


def counts(found: dict, *keys: str) -> dict[str, list[int]]:
    return {split: [found[split][key] for key in keys] for split in ("train", "val")}


@pytest.fixture
def ssv2(tmp_path):
    made_sets.write_ssv2(tmp_path, {"train": 4, "validation": 3})
    return tmp_path


def test_ssv2(ssv2):
    found = inventory.ssv2(ssv2, num_classes=4)
    assert counts(found, "videos", "found") == {"train": [4, 4], "val": [3, 3]} and found["reads"] == "videos"
    assert found["extra"] == found["missing"] == found["broken"] == 0
    assert found["class_names"] == [t.replace("[", "").replace("]", "") for t in made_sets.TEMPLATES]
    assert found["settings"] == f"DATA.PATH_TO_DATA_DIR {ssv2}"
    (ssv2 / "1001.mp4").rename(ssv2 / "stray.mp4")
    other = inventory.ssv2(ssv2, num_classes=4)
    assert counts(other, "videos", "found") == {"train": [4, 4], "val": [3, 2]}
    assert other["missing_names"] == ["val 1001"] and other["missing"] == 1 and other["extra"] == 1
    assert other["classes_sha256"] == found["classes_sha256"] and len(found["classes_sha256"]) == 64
    entries = json.loads((ssv2 / "something-something-v2-train.json").read_text())
    entries[1]["template"] = "Moving [something] sideways"
    (ssv2 / "something-something-v2-train.json").write_text(json.dumps(entries))
    (broken,) = inventory.ssv2(ssv2, num_classes=4)["broken_rows"]
    assert "'Moving something sideways' is none of the 4 classes" in broken
    with pytest.raises(ValueError, match="4 classes, expected 174"):
        inventory.ssv2(ssv2)


def test_frame_lists_of_ssv2(ssv2, tmp_path):
    for split, names in {"train": range(4), "val": (1000, 1001)}.items():
        rows = [made_sets.COLUMNS, *(f'{n} 0 {i} {n}/{i}.jpg ""' for n in names for i in range(3))]
        (ssv2 / f"{split}.csv").write_text("\n".join(rows) + "\n")
        for path in (row.split()[3] for row in rows[1:]):
            (ssv2 / "images" / path).parent.mkdir(parents=True, exist_ok=True)
            (ssv2 / "images" / path).touch()
    (ssv2 / "images" / "2" / "1.jpg").unlink()
    shutil.copytree(ssv2 / "images" / "3", ssv2 / "images" / "77")
    found = inventory.ssv2(ssv2, ssv2 / "images", num_classes=4)
    keys = ("videos", "found", "images", "images_missing")
    assert counts(found, *keys) == {"train": [4, 4, 12, 1], "val": [3, 2, 6, 0]} and found["reads"] == "frame lists"
    assert found["missing_names"] == [f"train {ssv2 / 'images' / '2' / '1.jpg'}", "val 1002"] and found["extra"] == 1
    assert found["settings"].endswith(f"DATA.PATH_PREFIX {ssv2 / 'images'} DATA.MAX_BAD 0.34")


def test_charades(tmp_path, capsys):
    (tmp_path / "Charades_v1_classes.txt").write_text("".join(f"c{k:03d} Doing {k}\n" for k in range(157)))
    (tmp_path / "Charades_v1_train.csv").write_text(ACTIONS + "AA,x,c000 1 2;c156 0 9,9\nBB,x,,3\nCC,x,c157 0 1,3\n")
    (tmp_path / "Charades_v1_test.csv").write_text(ACTIONS + "DD,x,c001 0 1,4\n")
    (tmp_path / "films").mkdir()
    for name in ("AA", "DD", "EE"):
        (tmp_path / "films" / f"{name}.mp4").touch()
    found = inventory.charades(tmp_path, tmp_path / "films")
    assert counts(found, "videos", "found") == {"train": [2, 1], "val": [1, 1]}
    assert (found["classes"], found["extra"], found["missing_names"]) == (157, 1, ["train BB"])
    assert found["broken_rows"] == [
        f"{tmp_path}/Charades_v1_train.csv:4: action c157 is out of range: 157 classes are 0 to 156"
    ]
    gone = tmp_path / "gone.txt"
    assert main(["data", "charades", str(tmp_path), "--videos", str(tmp_path / "films"), "--missing", str(gone)]) == 2
    out = capsys.readouterr().out
    assert "missing: train BB" in out and f"DATA.PATH_PREFIX {tmp_path / 'films'}" in out and "videos=2  found=1" in out
    assert gone.read_text() == "train BB\n"


def test_frame_lists_of_charades(tmp_path):
    made_sets.write_charades(tmp_path, {"train": 3, "val": 2})
    found = inventory.charades(tmp_path, tmp_path / "frames", num_classes=4)
    assert counts(found, "videos", "found", "images_missing") == {"train": [3, 3, 0], "val": [2, 2, 0]}
    assert found["class_names"] == list(made_sets.MOTIONS) and found["missing"] == found["broken"] == 0
    shutil.rmtree(tmp_path / "frames" / "val0001")
    assert len(inventory.charades(tmp_path, tmp_path / "frames", num_classes=4)["missing_names"]) == 40
    with pytest.raises(ValueError, match="4 class names, expected 157"):
        inventory.charades(tmp_path)
    (tmp_path / "classes.txt").unlink()
    unnamed = inventory.charades(tmp_path, tmp_path / "frames", num_classes=4)
    assert (unnamed["classes"], unnamed["classes_sha256"]) == (0, "")


@pytest.fixture
def ava(tmp_path):
    """Two videos of three keyframes to train on, one of two to validate on; everything is there."""
    made_sets.write_ava(tmp_path, {"train": 6, "val": 2})
    for name in inventory.AVA["2.2"][2:]:
        detected = tmp_path / "annotations" / name
        detected.parent.mkdir(exist_ok=True)
        (tmp_path / "annotations" / f"ava_{'val' if 'val' in name else 'train'}_predicted_boxes.csv").rename(detected)
    return tmp_path


KEYS = ("videos", "found", "keyframes", "keyframes_found")


def test_frames_of_ava(ava, capsys):
    found = inventory.ava(ava)
    assert counts(found, *KEYS) == {"train": [2, 2, 6, 6], "val": [1, 1, 2, 2]} and found["reads"] == "frame lists"
    assert found["missing"] == found["broken"] == 0 and found["extra"] == 0
    assert (found["classes"], found["evaluated"], found["class_names"][4:6]) == (80, 5, ["talk", "action 6"])
    assert main(["data", "ava", str(ava)]) == 0 and "keyframes_found=6" in capsys.readouterr().out
    (ava / "frames" / "train0000" / "train0000_000091.jpg").unlink()  # image 90: second 3 of the frames
    shutil.rmtree(ava / "frames" / "val0000")
    (ava / "annotations" / "ava_val_excluded_timestamps_v2.2.csv").unlink()
    found = inventory.ava(ava)
    assert counts(found, *KEYS) == {"train": [2, 2, 6, 5], "val": [1, 0, 2, 0]}
    excluded = f"file {ava / 'annotations' / 'ava_val_excluded_timestamps_v2.2.csv'}"
    assert found["missing_names"] == [excluded, "train train0000@903", "val val0000: no image of it"]
    with pytest.raises(ValueError, match=r"ava_train_v2\.1\.csv: cannot be read"):
        inventory.ava(ava, version="2.1")


def test_films_of_ava(ava):
    shutil.rmtree(ava / "frame_lists")
    (ava / "films").mkdir()
    for name, seconds in {"train0000": 5, "train0001": 4, "stray": 1}.items():  # second 904 is the fifth
        write_video(ava / "films" / f"{name}.mp4", made_sets.np.zeros((10 * seconds, 16, 16, 3), "uint8"), 10)
    found = inventory.ava(ava, ava / "films")
    assert counts(found, *KEYS) == {"train": [2, 2, 6, 5], "val": [1, 0, 2, 0]} and found["reads"] == "videos"
    assert found["missing_names"] == ["train train0001@904", "val val0000: missing"] and found["extra"] == 1
    assert counts(inventory.ava(ava, ava / "films", start=0), *KEYS)["train"] == [2, 2, 6, 0]
    (ava / "films" / "train0001.mp4").write_bytes(b"")
    assert (
        inventory.ava(ava, ava / "films", workers=2)["missing_names"][0]
        == "train train0001: empty: the file has 0 bytes"
    )
