"""Demo clips: real video files, the same bytes for the same seed, no frame that tells the class, motion that does."""

import av
import numpy as np
import pytest

from videonet.data import demo
from videonet.data.kinetics import read_list
from videonet.data.video import Video


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("demo")
    assert demo.write_demo(root, 3, train=16, val=8, size=64, workers=1)
    return root


def test_lists_and_files(root):
    train, val = read_list(root / "train.csv", training=True), read_list(root / "val.csv")
    assert (len(train), len(val)) == (16, 8)
    assert train.classes == tuple(demo.MOTIONS)
    assert [record.label for record in train] == [i % 8 for i in range(16)]
    assert read_list(root / "test.csv").digest() == val.digest()
    assert not {r.path for r in train} & {r.path for r in val}
    for record in train:
        with Video(record.path) as video:
            assert 16 <= video.num_frames <= 20
            assert (video.height, video.width, video.fps) == (64, 64, 30)
    with av.open(train[0].path) as container:
        assert container.streams.video[0].codec_context.name == "h264"


def test_same_seed_same_bytes_and_no_work_twice(root, tmp_path):
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    assert not demo.write_demo(root, 3, train=16, val=8, size=64)
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before
    assert demo.write_demo(tmp_path, 3, train=16, val=8, size=64, workers=2)
    files = sorted(path.relative_to(root) for path in root.rglob("*.*"))
    assert len(files) == 24 + 5
    for path in files:
        assert (root / path).read_bytes() == (tmp_path / path).read_bytes(), path
    assert demo.write_demo(tmp_path, 4, train=16, val=8, size=64, workers=1)
    assert (root / files[-1]).read_bytes() != (tmp_path / files[-1]).read_bytes()


def test_files_show_what_was_drawn(root):
    rng = np.random.default_rng([3, 0, 0])
    drawn = demo.draw_clip(rng, "left", int(rng.integers(16, 20, endpoint=True)), 64)
    with Video(read_list(root / "train.csv")[0].path) as video:
        shown = video.read(range(video.num_frames)).numpy()
    assert shown.shape == drawn.shape
    assert abs(shown.astype(float) - drawn).mean() < 8


@pytest.mark.parametrize("time", [0, 7, 15])
def test_states_of_a_frame_have_one_distribution(time):
    """Every moment of place, angle and size is that of the uniform distribution, in every class and at every time."""
    count = 1500
    for motion in demo.MOTIONS:
        states = np.stack([demo.draw_states(np.random.default_rng([9, i]), motion, 16)[time] for i in range(count)])
        values = states.reshape(-1, 4)
        for frequency in (1, 2, 3):
            moment = abs(np.exp(2j * np.pi * frequency * values).mean(0))
            assert (moment < 3.2 / np.sqrt(len(values))).all(), (motion, frequency)
        histogram = np.stack([np.histogram(column, 8, (0, 1))[0] for column in values.T]) / len(values)
        assert abs(histogram - 1 / 8).max() < 0.02


def clips(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(count, 4, 32, 32) grey frames of the middle of clips, and their labels."""
    labels, shown = np.arange(count) % 8, []
    for number, motion in zip(range(count), list(demo.MOTIONS) * count):
        frames = demo.draw_clip(np.random.default_rng([seed, number]), motion, 8, 32)[::2]
        shown.append(frames.mean(-1) / 255 - 0.5)
    return np.stack(shown), labels


def spectra(pictures: np.ndarray) -> np.ndarray:
    """Looks and sizes in pictures (N, H, W): pooled pixels, means and spreads of rows and columns, power spectrum."""
    power = abs(np.fft.rfft2(pictures))[:, :8, :8]
    pooled = pictures.reshape(len(pictures), 8, 4, 8, 4).mean((2, 4))
    parts = (power, pooled, pooled**2, pictures.mean(1), pictures.mean(2), pictures.std(1), pictures.std(2))
    return np.concatenate([part.reshape(len(pictures), -1) for part in parts], 1)


def shifts(frames: np.ndarray) -> np.ndarray:
    """Correlation of each frame with the next one at small shifts, rotations and scales, over (N, T, H, W)."""
    first, second = frames[:, :-1], frames[:, 1:]
    moved = [np.roll(first, (dy, dx), (2, 3)) for dy, dx in ((0, -3), (0, 3), (-3, 0), (3, 0), (0, 0))]
    return np.stack([((second - picture) ** 2).mean((1, 2, 3)) for picture in moved], 1)


def accuracy(features, labels, test_features, test_labels) -> float:
    """Share of right answers of a ridge classifier."""
    mean, std = features.mean(0), features.std(0) + 1e-6
    x, z = (features - mean) / std, (test_features - mean) / std
    x, z = (np.c_[part, np.ones(len(part))] for part in (x, z))
    weights = np.linalg.solve(x.T @ x + 50 * np.eye(x.shape[1]), x.T @ np.eye(labels.max() + 1)[labels])
    return float(((z @ weights).argmax(1) == test_labels).mean())


def test_a_frame_does_not_tell_the_class_but_two_tell_the_direction():
    frames, labels = clips(480, 0)
    test_frames, test_labels = clips(320, 1)
    for time in (0, 3):
        assert accuracy(spectra(frames[:, time]), labels, spectra(test_frames[:, time]), test_labels) < 0.18
    one, other = labels < 4, test_labels < 4
    found = accuracy(shifts(frames[one]), labels[one], shifts(test_frames[other]), test_labels[other])
    assert found > 0.8


def test_wrong_settings_are_refused(tmp_path):
    for wrong in ({"train": 7}, {"size": 33}, {"size": 16}):
        with pytest.raises(ValueError, match="the demo needs 8 clips"):
            demo.write_demo(tmp_path / "x", **wrong)
    assert not (tmp_path / "x").exists()
