"""videonet cam: the video with heat on every frame of it."""

import pytest
import torch

from tests.cli.conftest import CLASSES, TINY, save_checkpoint
from videonet.cli.cam import heat_at
from videonet.data.video import Video

DATA = TINY[TINY.index("DATA.NUM_FRAMES") :]


def test_the_video_has_the_frames_of_the_input_and_heat_on_them(videonet, checkpoint, movie, tmp_path):
    code, out, _ = videonet("cam", movie, "--checkpoint", checkpoint, "--out", tmp_path / "cam.mp4")
    assert code == 0 and "100 frames, evidence for" in out and any(name in out for name in CLASSES)
    with Video(movie) as before, Video(tmp_path / "cam.mp4") as after:
        assert after.num_frames == 100 and after.duration == pytest.approx(4, abs=0.01)
        assert (after.height, after.width) == (before.height, before.width)
        colours = [(v.read([10, 60])[:, 30:].float().std(-1)).mean((1, 2)) for v in (before, after)]
    assert (colours[1] > 2 * colours[0]).all(), "heat has colour, the picture hardly any"


def test_heat_moves_from_clip_to_clip():
    heat = torch.arange(4.0).view(2, 2, 1, 1)
    values = [float(heat_at(t, [0.0, 1.0], heat, 1.0)) for t in (0, 0.25, 0.5, 0.75, 0.99, 1.0, 1.5, 9.0)]
    assert values == pytest.approx([0, 0, 0.5, 1, 1, 2, 2.5, 3])


def test_a_video_without_evidence_stays_as_it_is(videonet, checkpoint, movie, tmp_path):
    saved = torch.load(checkpoint, weights_only=True)
    saved["model"]["head.fc.weight"].zero_()
    torch.save(saved, tmp_path / "zero.pt")
    words = ("--checkpoint", tmp_path / "zero.pt", "--class", "run", "--out", tmp_path / "cam.mp4")
    code, _, err = videonet("cam", movie, *words)
    assert code == 0 and "nothing in it speaks for 'run'" in err
    with Video(movie) as before, Video(tmp_path / "cam.mp4") as after:
        assert (before.read([50])[:, 40:].int() - after.read([50])[:, 40:].int()).abs().float().mean() < 3


def test_an_image_network_shows_each_frame(videonet, tmp_path, movie):
    path = save_checkpoint(tmp_path / "image.pt", ["MODEL.NAME", "cifar_resnet20", *DATA])
    words = ("--checkpoint", path, "--layer", "res3", "--out", tmp_path / "cam.mp4")
    assert videonet("cam", movie, *words)[0] == 0
    with Video(tmp_path / "cam.mp4") as video:
        assert video.num_frames == 100


def test_mistakes_are_one_line(mistake, checkpoint, movie, tmp_path):
    words = ("--checkpoint", checkpoint, "--out", tmp_path / "cam.mp4")
    assert "has no class 'waves'; did you mean wave?" in mistake("cam", movie, *words, "--class", "waves")
    assert "takes a file, not rtsp" in mistake("cam", "rtsp://somewhere", *words)
    assert "an .mp4, .mkv or .mov" in mistake("cam", movie, "--checkpoint", checkpoint, "--out", tmp_path / "cam")
    assert "no layer 'res9'" in mistake("cam", movie, *words, "--layer", "res9")
    assert not list(tmp_path.iterdir())


def test_help_has_an_example(videonet):
    code, out, _ = videonet("cam", "--help")
    assert code == 0 and "videonet cam clip.mp4 --checkpoint" in out
