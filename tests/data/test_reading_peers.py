"""Reading beside other libraries: the same frames in the same windows, and rows that compare like with like."""

import numpy as np
import pytest
import torch

from tests.data.movies import X264, Movie, numbers_of
from videonet.data.peers import PEERS, faults, measure, pyslowfast, together
from videonet.data.sampling import clip_views, random_clip
from videonet.data.transforms import random_crop
from videonet.data.window import Window


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> list[str]:
    folder = tmp_path_factory.mktemp("movies")
    return [str(Movie(f"{number}.mp4", options=X264, frames=60).write(folder)) for number in range(2)]


def test_every_peer_reads_the_same_clip(files):
    indices, window = np.arange(10, 26, 2), Window(0, 0, 64, 96, 64, 96)
    for name in set(PEERS) - set(faults(PEERS)) - {"pyslowfast"}:
        (clip,) = PEERS[name](files[0], [(indices, window)])
        assert clip.shape == (8, 64, 96, 3), name
        assert numbers_of(clip.numpy()) == indices.tolist(), name


def test_pyslowfast_steps(files):
    window = Window(8, 16, 32, 32, 24, 24)
    slow, fast = pyslowfast(files[0], [(np.arange(10, 26), window)])[0]
    assert (slow.shape, fast.shape) == ((3, 4, 24, 24), (3, 16, 24, 24))
    assert torch.equal(slow[:, 0], fast[:, 0])
    assert abs(float(fast.mean())) < 2
    (ours,) = PEERS["videonet"](files[0], [(np.arange(10, 26), window)])
    shown = ((fast * 0.225 + 0.45) * 255).permute(1, 2, 3, 0)
    assert (shown - ours.float()).abs().mean() < 12


def test_views_are_slices_of_frames_that_are_read_once(files):
    indices = clip_views(60, 25, 8, 2, views=5)
    windows = [Window(0, x, 64, 64, 32, 32) for x in (0, 16, 32)]
    ((frames, window),) = together([(clip, part) for clip in indices for part in windows])
    assert frames.tolist() == sorted(set(indices.reshape(-1).tolist()))
    assert window == Window(0, 0, 64, 96, 32, 48)
    assert len(together([(indices[0], windows[0]), (indices[0], Window(0, 0, 32, 32, 32, 32))])) == 2


def test_rows(files):
    rows = measure(
        files,
        lambda rng, frames, fps: random_clip(rng, frames, fps, 8, 2),
        lambda rng, height, width: random_crop(rng, height, width, 32, scales=(40, 60)),
        peers=("pyslowfast", "videonet"),
        rounds=2,
    )
    assert [row["peer"] for row in rows] == ["pyslowfast", "videonet"]
    assert all(row["items"] == 4 and row["ms"] > 0 and row["error"] == "" and row["version"] for row in rows)
    assert rows[0]["speed"] == 1
    with pytest.raises(ValueError, match="no peer 'opencv' to measure; the peers are pyslowfast, videonet"):
        measure(files, None, None, peers=("opencv",))


def test_peers_that_do_not_load_are_named(files, monkeypatch):
    def broken(name: str) -> str:
        raise ImportError(f"no {name} here")

    monkeypatch.setattr("videonet.data.peers.works", broken)
    assert faults(("decord",)) == {"decord": "ImportError: no decord here"}
    (row,) = measure(files, None, None, peers=("decord",), rounds=0)
    assert (row["error"], row["speed"], row["items"]) == ("ImportError: no decord here", None, 0)
