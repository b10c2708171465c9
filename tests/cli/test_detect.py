"""videonet detect: boxes of any origin in, the same boxes with actions out; people found by a detector from a file."""

import csv
import sys

import numpy as np
import pytest
import torch

from tests.cli.conftest import CLASSES, TINY, save_checkpoint
from videonet.cli.detect import detected
from videonet.data.box_list import read_box_list
from videonet.data.transforms import whole
from videonet.data.video import Video
from videonet.inference import open_trained
from videonet.models import detector

ROI = [*TINY, "HEAD.NAME", "roi", "TASK.NAME", "action_detection", "MODEL.OUTPUT_STRIDE", 16]
ROWS = [
    ("clip one.mp4", 0.5, 0.1, 0.1, 0.4, 0.9, "", "anna"),
    ("clip one.mp4", 0.5, 0.5, 0.2, 0.9, 0.8, "", "bob"),
    ("clip one", 2.5, 0.2, 0.1, 0.5, 0.9, "", "anna"),
    ("other.mp4", 1.0, 0.2, 0.1, 0.5, 0.9, "", "carl"),
]


@pytest.fixture(scope="module")
def actions(tmp_path_factory):
    return save_checkpoint(tmp_path_factory.mktemp("roi") / "best", ROI)


@pytest.fixture
def people(tmp_path):
    with open(tmp_path / "people.csv", "w", newline="") as file:
        csv.writer(file).writerows([("video", "t_sec", "x1", "y1", "x2", "y2", "label", "person"), *ROWS])
    return tmp_path / "people.csv"


def test_rows_come_out_with_scores_and_persons(videonet, actions, movie, people, tmp_path):
    words = ("--checkpoint", actions, "--boxes", people, "--min-score", 0, "--out", tmp_path / "out")
    code, out, _ = videonet("detect", movie, *words)
    assert code == 0 and "3 boxes at 2 moments, 12 actions" in out and "100 frames" in out
    rows = list(csv.DictReader((tmp_path / "out" / "clip one.csv").read_text().splitlines()))
    assert [row["label"] for row in rows] == list(CLASSES) * 3
    assert [(row["video"], float(row["t_sec"]), row["person"]) for row in rows[::4]] == [
        ("clip one.mp4", 0.5, "anna"),
        ("clip one.mp4", 0.5, "bob"),
        ("clip one", 2.5, "anna"),
    ]
    assert [float(rows[4][side]) for side in ("x1", "y1", "x2", "y2")] == [0.5, 0.2, 0.9, 0.8]
    read_box_list(tmp_path / "out" / "clip one.csv", classes=CLASSES)
    trained = open_trained(actions)
    with Video(movie) as video, torch.no_grad():
        clip = video.read(np.clip(np.arange(12 - 8, 12 + 8, 2), 0, 99), whole(video.height, video.width, 40))
        boxes = torch.tensor([[0, 6, 4, 24, 36], [0, 30, 8, 54, 32.0]])
        wanted = trained.model.scores(trained.prepare(clip[None]), boxes)
    found = torch.tensor([float(row["score"]) for row in rows[:8]]).view(2, 4)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)


def test_the_video_shows_the_boxes_around_their_moments(videonet, actions, movie, people, tmp_path):
    words = ("--checkpoint", actions, "--boxes", people, "--out", tmp_path / "out")
    assert videonet("detect", movie, *words)[0] == 0
    with Video(movie) as before, Video(tmp_path / "out" / "clip one.mp4") as after:
        assert after.num_frames == 100
        change = (before.read(range(100)).int() - after.read(range(100)).int()).abs().float().mean((1, 2, 3))
    assert change[[12, 30, 62]].min() > 4 * change[95] and change[95] < 2, "1 second around 0.5 and 2.5"


def test_a_detector_finds_people_and_only_people(movie):
    def one_person(frame):
        return torch.tensor([[-5.0, 8, 48, 32]]), torch.tensor([0.9])

    with Video(movie) as video:
        boxes = detected(video, one_person, every=1.5)
        assert boxes.time.tolist() == [0.75, 2.25, 3.75]
        assert boxes.box[0].tolist() == [0, 0.125, 0.5, 0.5]
        assert len(detected(video, lambda frame: (torch.zeros(0, 4), torch.zeros(0)), every=1)) == 0


def test_a_function_of_the_user_finds_people(videonet, mistake, actions, movie, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "finder.py").write_text(
        "import torch\n\ndef people(frame):\n"
        "    height, width, _ = frame.shape\n"
        "    return torch.tensor([[0.0, 0, width / 2, height]]), torch.ones(1)\n"
    )
    words = ("detect", movie, "--checkpoint", actions, "--out", tmp_path / "out")
    code, out, _ = videonet(*words, "--detector", "finder:people", "--every", 2)
    assert code == 0 and "2 boxes at 2 moments" in out
    boxes = read_box_list(tmp_path / "out" / "clip one.csv", classes=CLASSES)
    assert boxes.box.tolist() == [[0, 0, 0.5, 1]] * 2 and boxes.time.tolist() == [1, 3]
    assert "module:function that Python can import" in mistake(*words, "--detector", "finder:nobody")
    assert "module:function" in mistake(*words, "--detector", "yolo")
    assert "" not in sys.path


def test_torchvision_is_recognised_by_its_weights(videonet, mistake, actions, movie, tmp_path, monkeypatch):
    name = "ssdlite320_mobilenet_v3_large"
    torch.manual_seed(0)
    torch.save(detector.built(name).state_dict(), tmp_path / "ssd.pth")
    monkeypatch.setattr(detector, "NETWORKS", ("ssd300_vgg16", name))
    words = ("--checkpoint", actions, "--detector", "torchvision", "--every", 2, "--out", tmp_path / "out")
    code, out, _ = videonet("detect", movie, *words, "--least", 0, "--detector-weights", tmp_path / "ssd.pth")
    assert code == 0 and "moments" in out and (tmp_path / "out" / "clip one.mp4").is_file()
    assert "fits no detector" in mistake("detect", movie, *words, "--detector-weights", actions)


def test_mistakes_are_one_line(mistake, actions, checkpoint, movie, people, tmp_path):
    words = ("detect", movie, "--checkpoint", actions, "--out", tmp_path / "out")
    assert "--detector-weights F. Nothing is downloaded" in mistake(*words)
    assert "Nothing is downloaded" in mistake(*words, "--detector", "torchvision")
    assert "not both" in mistake(*words, "--detector", "torchvision", "--boxes", people)
    whole_clips = ("detect", movie, "--checkpoint", checkpoint, "--out", tmp_path, "--boxes", people)
    assert "has no head for boxes" in mistake(*whole_clips)
    (tmp_path / "late.csv").write_text("video,t_sec,x1,y1,x2,y2,label\nclip one,9,0,0,1,1,\n")
    assert "a box is at second 9, but the video ends at 3.96" in mistake(*words, "--boxes", tmp_path / "late.csv")
    (tmp_path / "other.csv").write_text("video,t_sec,x1,y1,x2,y2,label\nother.mp4,1,0,0,1,1,\n")
    assert "no row is about clip one.mp4" in mistake(*words, "--boxes", tmp_path / "other.csv")
    (tmp_path / "bad.csv").write_text("video,x1,y1,x2,y2\n")
    assert "the header must be" in mistake(*words, "--boxes", tmp_path / "bad.csv")


def test_help_has_an_example(videonet):
    code, out, _ = videonet("detect", "--help")
    assert code == 0 and "--boxes people.csv" in out
