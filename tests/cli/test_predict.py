"""videonet predict: names and scores from the checkpoint alone, windows of long videos, streams."""

import contextlib
import http.server
import json
import os
import threading
from functools import partial

import pytest
import torch

from tests.cli.conftest import CLASSES, TINY, save_checkpoint
from tests.data.movies import Movie
from videonet import build, config, networks
from videonet.data import sampling
from videonet.data.clips import ViewClips, view_clips
from videonet.data.records import Records
from videonet.data.split import Split
from videonet.data.transforms import prepare
from videonet.data.video import Video
from videonet.inference import open_trained
from videonet.source import read_overrides


def rows_of(out):
    return [json.loads(line) for line in out.splitlines()]


@pytest.fixture(scope="module")
def expected(checkpoint, movie):
    """Scores of the movie by the parts that a test is made of."""
    cfg = config.assemble([read_overrides(TINY)], build.tables_of)
    model = build.build_model(cfg, 4).eval()
    model.load_state_dict(torch.load(checkpoint, weights_only=True)["model"])
    split = Split(Records.pack([str(movie)], [0]), Video, build.build_rules(cfg))
    data = build.build_eval_loader(cfg, split, views=True).dataset
    (clips,) = view_clips(data[0], 99)
    with torch.no_grad():
        return model.scores(prepare(clips)).mean(0)


def test_scores_are_those_of_the_configs_test(videonet, checkpoint, movie, expected):
    code, out, _ = videonet("predict", movie, "--checkpoint", checkpoint, "--json")
    (row,) = rows_of(out)
    assert code == 0 and row["video"] == str(movie) and row["views"] == 6
    assert [top["class"] for top in row["top"]] == [CLASSES[i] for i in expected.argsort(descending=True)]
    torch.testing.assert_close(
        torch.tensor([t["score"] for t in row["top"]]), expected.sort(descending=True)[0], atol=1e-5, rtol=0
    )


def test_people_read_a_score_and_a_name(videonet, checkpoint, movie, expected):
    code, out, _ = videonet("predict", movie, "--checkpoint", checkpoint, "--topk", 2)
    best = expected.argmax()
    assert code == 0 and out.splitlines()[0] == f"{expected[best]:.4f}  {CLASSES[best]}" and len(out.splitlines()) == 2
    code, out, _ = videonet(
        "predict", movie, movie, "--checkpoint", checkpoint, "--topk", 1, "--views", 1, "--crops", 1
    )
    assert code == 0 and out.splitlines()[0::2] == [str(movie)] * 2


def test_windows_have_seconds_and_the_scores_of_a_video_of_their_length(videonet, checkpoint, movie):
    code, out, err = videonet("predict", movie, "--checkpoint", checkpoint, "--window", 0.64, "--stride", 0.4)
    rows = rows_of(out)
    assert code == 0 and [row["start"] for row in rows] == pytest.approx([0.4 * i for i in range(len(rows))])
    assert rows[-1]["end"] == pytest.approx(4) and len(rows) == 10
    assert "10 windows, latency p50" in err and "p95" in err and "dropped" not in err
    trained = open_trained(checkpoint)

    def sample(total, fps, frames, rate):
        return sampling.clip_views(16, 25, frames, rate, views=1, target_fps=25) + 10

    with Video(movie) as video:
        item = ViewClips(Records.pack([], []), trained.shape, sample=sample, crops=1).read(video)
    scores = trained.scores(view_clips({**item, "index": 0}, 9))[0]
    assert rows[1]["top"] == trained.top(scores, 5)


def test_a_stream_of_a_file_gives_what_the_file_gives(videonet, checkpoint, tmp_path):
    path = Movie("steady.ts", options={"preset": "ultrafast"}, frames=60).write(tmp_path)
    words = ("--checkpoint", checkpoint, "--window", 0.8, "--stride", 0.5)
    _, offline, _ = videonet("predict", path, *words)
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    handler.log_message = lambda *args: None
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_address[1]}/steady.ts"
        code, streamed, _ = videonet("predict", address, *words)
        server.shutdown()
    assert code == 0 and len(rows_of(offline)) == 5
    assert [{**row, "video": ""} for row in rows_of(streamed)] == [{**row, "video": ""} for row in rows_of(offline)]


@contextlib.contextmanager
def piped_in(path):
    """The file as the standard input of this process."""
    before = os.dup(0)
    with path.open("rb") as file:
        os.dup2(file.fileno(), 0)
        yield
    os.dup2(before, 0)
    os.close(before)


def test_what_is_piped_in_is_read_as_it_comes(videonet, checkpoint, tmp_path):
    path = Movie("steady.ts", options={"preset": "ultrafast"}, frames=60).write(tmp_path)
    words = ("--checkpoint", checkpoint, "--window", 0.8, "--stride", 0.5)
    _, offline, _ = videonet("predict", path, *words)
    with piped_in(path):
        code, out, err = videonet("predict", "-", *words, "--live")
    every = {row["start"]: row["top"] for row in rows_of(offline)}
    found = {row["start"]: row["top"] for row in rows_of(out)}
    assert code == 0 and found.items() <= every.items() and max(found) == max(every), "the newest is never dropped"
    assert err.strip().endswith(f"{len(every) - len(found)} dropped")


def test_an_image_network_sees_frames(videonet, tmp_path, movie):
    overrides = ["MODEL.NAME", "cifar_resnet20", *TINY[TINY.index("DATA.NUM_FRAMES") :]]
    path = save_checkpoint(tmp_path / "image.pt", overrides)
    code, out, _ = videonet("predict", movie, "--checkpoint", path, "--json")
    assert code == 0 and rows_of(out)[0]["views"] == 6


def test_weights_of_another_source_take_names_from_a_file(videonet, mistake, tmp_path, movie):
    model = networks.create("x3d_xs", num_classes=4)
    torch.save(model.state_dict(), tmp_path / "foreign.pth")
    (tmp_path / "names.txt").write_text("\n".join(CLASSES))
    words = ["predict", movie, "--checkpoint", tmp_path / "foreign.pth"]
    quick = ["--views", 1, "--crops", 1, "--opts", "DATA.TEST_CROP_SIZE", 64]
    code, out, _ = videonet(*words, "--model", "x3d_xs", "--classes", tmp_path / "names.txt", *quick)
    assert code == 0 and {line[8:] for line in out.splitlines()} == set(CLASSES)
    assert "--model NAME" in mistake(*words)
    assert "has no class names" in mistake(*words, "--model", "x3d_xs", "--opts", "MODEL.NUM_CLASSES", 4)
    assert "names.tx: there is no such file" in mistake(*words, "--model", "x3d_xs", "--classes", tmp_path / "names.tx")
    assert "did you mean x3d_xs?" in mistake(*words, "--model", "x3d_xz")


def test_mistakes_are_one_line(mistake, videonet, checkpoint, movie, tmp_path):
    assert "missing" in mistake("predict", tmp_path / "none.mp4", "--checkpoint", checkpoint)
    assert "no such file" in mistake("predict", movie, "--checkpoint", tmp_path / "none.pt")
    assert "--window is -1" in mistake("predict", movie, "--checkpoint", checkpoint, "--window", -1)
    assert "--topk is 0" in mistake("predict", movie, "--checkpoint", checkpoint, "--topk", 0)
    assert "leave the name x3d_s out" in mistake("predict", movie, "--checkpoint", checkpoint, "--model", "x3d_s")
    assert "did you mean" in mistake("predict", movie, "--checkpoint", checkpoint, "--opts", "DATA.NUM_FRAME", 8)
    nameless = save_checkpoint(tmp_path / "nameless.pt", classes=())
    assert "has no class names: give them by --classes" in mistake("predict", movie, "--checkpoint", nameless)
    (tmp_path / "three.txt").write_text("a\nb\nc\n")
    assert "3 class names, but" in mistake(
        "predict", movie, "--checkpoint", nameless, "--classes", tmp_path / "three.txt"
    )
    code, out, err = videonet("predict", tmp_path / "none.mp4", movie, "--checkpoint", checkpoint)
    assert code == 2 and len(out.splitlines()) == 5 and "1 of 2 videos could not be read" in err


def test_help_has_an_example(videonet):
    code, out, _ = videonet("predict", "--help")
    assert code == 0 and "videonet predict clip.mp4 --checkpoint" in out
