"""videonet features: equal to a forward hook, a row a window with its seconds and frames, finished files skipped."""

import json
import os

import numpy as np
import pytest
import torch

from tests.cli.conftest import TINY, save_checkpoint
from tests.data.movies import Movie
from videonet.data.transforms import crop_offsets, whole
from videonet.data.video import Video
from videonet.inference import open_trained

DATA = TINY[TINY.index("DATA.NUM_FRAMES") :]
FAMILIES = {
    "slowfast": (TINY, ["slow.res5", "fast.res3.0.conv2", "res4", "pool"]),
    "x3d": (["MODEL.NAME", "x3d_xs", *DATA], ["res5", "head.lin", "pool"]),
    "csn": (["MODEL.NAME", "ir_csn_50", *DATA], ["stem", "pool"]),
    "image": (["MODEL.NAME", "cifar_resnet20", *DATA], ["res3", "pool"]),
    "detection": (
        [*TINY, "HEAD.NAME", "roi", "TASK.NAME", "action_detection", "MODEL.OUTPUT_STRIDE", 16],
        ["slow.res5"],
    ),
}


def hooked(trained, movie, rows, layer):
    """The features of the frames that the rows name, by hooks of this test's own."""
    head, network = trained.model.head, trained.model
    seen = []
    if layer == "pool":
        hooks = [head.fc.register_forward_pre_hook(lambda module, args: seen.append(args[0]))]
    else:
        ways = [f"backbone.{way}{layer}" for way in ("", "slow.", "fast.")] + [layer]
        modules = [module for name, module in network.named_modules() if name in ways]
        hooks = [module.register_forward_hook(lambda module, args, out: seen.append(out)) for module in modules]
    features = []
    with Video(movie) as video, torch.no_grad():
        window = whole(video.height, video.width, 40)
        y, x = crop_offsets(window.out_h, window.out_w, 40)[0]
        for row in rows:
            clips = [video.read(ids, window)[:, y : y + 40, x : x + 40] for ids in row["frames"]]
            seen.clear()
            run = network if layer in ("pool", "head.lin") else network.backbone
            run(trained.prepare(torch.stack(clips)))
            features.append(torch.cat([v.flatten(2).mean(2) if v.dim() > 2 else v for v in seen], 1).mean(0))
    for hook in hooks:
        hook.remove()
    return torch.stack(features).numpy()


@pytest.mark.parametrize("family", FAMILIES)
def test_features_are_what_a_forward_hook_sees(videonet, tmp_path, movie, family):
    overrides, layers = FAMILIES[family]
    path = save_checkpoint(tmp_path / "weights.pt", overrides)
    times = ("--window", 1.28, "--stride", 1.2)
    for layer in layers:
        out = tmp_path / layer
        assert videonet("features", movie, "--checkpoint", path, "--layer", layer, *times, "--out", out)[0] == 0
        values, said = np.load(out / "clip one.npy"), json.loads((out / "clip one.json").read_text())
        expected = hooked(open_trained(path), movie, said["rows"], layer)
        assert values.dtype == np.float32 and values.shape == (3, said["channels"]) and values.std() > 0
        np.testing.assert_allclose(values, expected, rtol=1e-5, atol=1e-6)


def test_rows_say_their_seconds_and_frames(videonet, checkpoint, movie, tmp_path):
    words = ("--checkpoint", checkpoint, "--window", 1.28, "--stride", 0.8, "--out", tmp_path)
    assert videonet("features", movie, *words)[0] == 0
    rows = json.loads((tmp_path / "clip one.json").read_text())["rows"]
    assert [(row["start"], row["end"]) for row in rows] == [(0, 1.28), (0.8, 2.08), (1.6, 2.88), (2.4, 3.68), (3.2, 4)]
    assert [np.shape(row["frames"]) for row in rows] == [(2, 8)] * 5, "two clips of 0.64 seconds fit in a window"
    assert (rows[1]["frames"][0][0], rows[1]["frames"][1][-1]) == (20, 51)


def test_a_list_is_done_once_and_the_unreadable_are_named(videonet, checkpoint, movie, tmp_path):
    folder = tmp_path / "videos" / "a b"
    folder.mkdir(parents=True)
    for name in ("one.mp4", "two.mp4"):
        os.link(movie, folder / name)
    (tmp_path / "videos" / "list.csv").write_text("a b/one.mp4 0\na b/two.mp4 1\na b/none.mp4 1\n")
    words = ("features", tmp_path / "videos" / "list.csv", "--checkpoint", checkpoint, "--out", tmp_path / "out")
    code, out, err = videonet(*words)
    assert code == 2 and "1 of 3 videos could not be read" in err and "none.mp4" in err
    assert "2 videos written, 0 were finished before" in out
    assert sorted(p.name for p in (tmp_path / "out" / "a b").iterdir()) == [
        "one.json",
        "one.npy",
        "two.json",
        "two.npy",
    ]
    before = (tmp_path / "out" / "a b" / "one.npy").stat().st_mtime_ns
    (tmp_path / "out" / "a b" / "two.json").unlink()  # as after a crash
    code, out, _ = videonet(*words)
    assert "1 videos written, 1 were finished" in out
    assert (tmp_path / "out" / "a b" / "one.npy").stat().st_mtime_ns == before
    assert "2 videos written, 0 were finished" in videonet(*words, "--layer", "res2")[1], "another layer is other work"


def test_the_number_of_rows_may_have_any_length(videonet, checkpoint, tmp_path):
    path = Movie("long.mp4", options={"preset": "ultrafast"}, frames=300).write(tmp_path)
    words = ("--checkpoint", checkpoint, "--layer", "res2", "--window", 0.1, "--stride", 0.04, "--out", tmp_path)
    assert videonet("features", path, *words)[0] == 0
    assert (
        np.load(tmp_path / "long.npy").shape[0] == len(json.loads((tmp_path / "long.json").read_text())["rows"]) > 256
    )


def test_layers_are_listed_with_shapes(videonet, checkpoint):
    code, out, _ = videonet("features", "--checkpoint", checkpoint, "--layer", "list")
    shapes = dict(line.split(maxsplit=1) for line in out.splitlines())
    assert code == 0 and shapes["slow.res5"] == "64 x 2 x 2 x 2" and shapes["fast.res5"] == "32 x 8 x 2 x 2"
    assert shapes["pool"] == "96" and shapes["head.fc"] == "4" and "lateral.0.conv" in shapes


def test_of_a_detection_network_the_backbone_is_listed(videonet, tmp_path):
    path = save_checkpoint(tmp_path / "roi.pt", FAMILIES["detection"][0])
    code, out, _ = videonet("features", "--checkpoint", path, "--layer", "list")
    assert code == 0 and "slow.res5 " in out and "pool" not in [line.split()[0] for line in out.splitlines()]


def test_mistakes_are_one_line(mistake, checkpoint, movie, tmp_path):
    words = ("features", movie, "--checkpoint", checkpoint)
    assert "--out DIR" in mistake(*words)
    assert "did you mean slow.res5?" in mistake(*words, "--layer", "slow.res6", "--out", tmp_path)
    assert "gives no map" in mistake(*words, "--layer", "backbone", "--out", tmp_path)
    assert "same name, clip one" in mistake("features", movie, *words[1:], "--out", tmp_path)
    (tmp_path / "empty.txt").write_text("\n")
    assert "the list is empty" in mistake("features", tmp_path / "empty.txt", *words[2:], "--out", tmp_path)
    assert "no such list" in mistake("features", tmp_path / "none.txt", *words[2:], "--out", tmp_path)
    assert not list(tmp_path.glob("*.npy"))


def test_help_has_an_example(videonet):
    code, out, _ = videonet("features", "--help")
    assert code == 0 and "videonet features clip.mp4" in out
