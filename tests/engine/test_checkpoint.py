"""Laws of checkpoints: whole or absent, whatever happens; foreign files are named for what they are."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.engine import runs
from videonet.engine.checkpoint import CheckpointError, Checkpoints, link_whole, read, write_whole
from videonet.engine.state import State, moving_average
from videonet.models.checkpoint import state_of

ROOT = Path(__file__).resolve().parents[2]


def _saved(folder: Path, *steps: int, **options) -> Checkpoints:
    checkpoints = Checkpoints(folder, **options)
    state = runs.state_of(runs.network())
    for state.step in steps:
        checkpoints.save(state)
    return checkpoints


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_newest_stay_and_last_is_the_newest(tmp_path):
    checkpoints = _saved(tmp_path, 1, 2, 30, 4000000, keep=2)
    assert _names(tmp_path) == ["last", "step_000030.pt", "step_4000000.pt"]
    assert read(tmp_path / "last")["step"] == 4000000
    assert checkpoints.latest() == tmp_path / "last"
    assert len(_names(_saved(tmp_path / "all", 1, 2, 3, 4, 5, keep=0).folder)) == 6


def test_saving_the_same_step_again_leaves_no_trace(tmp_path):
    _saved(tmp_path, 5, 5)
    assert _names(tmp_path) == ["last", "step_000005.pt"]


def test_a_run_that_begins_anew_keeps_its_own_file(tmp_path):
    _saved(tmp_path, 100, 200, 300, keep=2)
    checkpoints = _saved(tmp_path, 10, keep=2)
    assert (tmp_path / "step_000010.pt").exists()
    assert read(checkpoints.latest())["step"] == 10


def test_best_is_the_highest_evaluated_and_outlives_its_step_file(tmp_path):
    checkpoints = Checkpoints(tmp_path, keep=1, watch="top1")
    state = runs.state_of(runs.network())
    for step, value in ((1, 40.0), (2, 70.0), (3, 60.0), (4, 70.0), (5, float("nan"))):
        state.step, state.metric = step, {"top1": value}
        checkpoints.save(state, evaluated=True)
    state.step, state.metric = 6, {"top1": 99.0}
    checkpoints.save(state)  # not evaluated at this step: no candidate
    assert read(tmp_path / "best")["step"] == 2
    assert read(tmp_path / "best")["metric"] == {"top1": 70.0}
    assert _names(tmp_path) == ["best", "last", "step_000006.pt"]
    resumed = runs.state_of(runs.network())
    checkpoints.resume(resumed)
    assert (resumed.best, resumed.best_step) == (70.0, 2)


def test_what_travels_inside_comes_back(tmp_path):
    state = runs.state_of(runs.network())
    state.extra = {"classes": ["walk", "läuft 🏃"], "mean": [0.45] * 3, "config": "A: 1\n"}
    Checkpoints(tmp_path).save(state)
    saved = read(tmp_path / "last")
    assert (saved["classes"], saved["mean"], saved["config"]) == (["walk", "läuft 🏃"], [0.45] * 3, "A: 1\n")
    rest = runs.state_of(runs.network())
    rest.extra = {"config": "A: 2\n"}
    Checkpoints(tmp_path).resume(rest)
    assert rest.extra == {**state.extra, "config": "A: 2\n"}


def test_the_weights_to_use_are_the_moving_average_where_there_is_one(tmp_path):
    for ema in (True, False):
        state = runs.state_of(runs.network(), ema=ema)
        runs.run(state, tmp_path / str(ema))
        model = runs.network()
        model.load_state_dict(state_of(read(tmp_path / str(ema) / "checkpoints" / "last")))
        expected = state.evaluated_model.state_dict()
        assert all(torch.equal(value, expected[key]) for key, value in model.state_dict().items())


def test_an_empty_folder_has_nothing_to_resume(tmp_path):
    assert Checkpoints(tmp_path / "none").resume(runs.state_of(runs.network())) is None


class _Code:
    def __reduce__(self):
        return (os.system, ("touch executed",))


def _bad_files(folder: Path) -> dict[str, Path]:
    good = (folder / "last").read_bytes()
    contents = {
        "empty": b"",
        "a web page": b"\n<!DOCTYPE html><html>Forbidden</html>",
        "cut short": good[: len(good) // 2],
        "no torch file": b"path label\n" * 20,
    }
    for name, content in contents.items():
        (folder / name.replace(" ", "_")).write_bytes(content)
    (folder / "flipped").write_bytes(good[:2000] + bytes(200) + good[2200:])
    torch.save({"model_state": {}, "epoch": 3}, folder / "foreign")
    torch.save(_Code(), folder / "code")
    (folder / "pickle").write_bytes(pickle.dumps({"blobs": {}}))
    return {name: folder / name.replace(" ", "_") for name in (*contents, "foreign", "code", "pickle", "absent")}


@pytest.mark.parametrize(
    ("kind", "say"),
    [
        ("empty", "is not a checkpoint .empty, 0 bytes"),
        ("a web page", "is not a checkpoint .a web page"),
        ("cut short", "bytes. is damaged or cut short"),
        ("no torch file", "is not a checkpoint"),
        ("foreign", "no checkpoint of a videonet run .it holds model_state, epoch"),
        ("code", "holds code; only tensors"),
        ("pickle", "is not a checkpoint"),
        ("absent", "there is no such file"),
    ],
)
def test_a_file_that_is_no_checkpoint_gets_one_clear_line(tmp_path, monkeypatch, kind, say):
    monkeypatch.chdir(tmp_path)
    _saved(tmp_path, 1)
    with pytest.raises(CheckpointError, match=say) as caught:
        read(_bad_files(tmp_path)[kind])
    assert "\n" not in str(caught.value)
    assert not Path("executed").exists()


def test_a_checkpoint_of_another_run_is_refused_with_the_reason(tmp_path):
    _saved(tmp_path, 3)
    other = torch.nn.Sequential(torch.nn.Linear(8, 5))
    for state, say in (
        (runs.state_of(other), "another model or optimizer"),
        (runs.state_of(runs.network(), ema=False), "moving average"),
        (
            State(runs.network(), runs.state_of(runs.network()).optimizer, seed=9),
            "made with seed 3, this run has seed 9",
        ),
    ):
        with pytest.raises(CheckpointError, match=f"cannot resume from .*last: it .*{say}.*OUTPUT_DIR") as caught:
            Checkpoints(tmp_path).resume(state)
        assert "\n" not in str(caught.value)
        assert state.step == 0


def test_the_settings_of_an_optimizer_are_those_of_the_run_that_resumes(tmp_path):
    _saved(tmp_path, 3)
    state = runs.state_of(runs.network())
    for group in state.optimizer.param_groups:
        group["weight_decay"], group["momentum"] = 0.25, 0.5
    Checkpoints(tmp_path).resume(state)
    assert state.step == 3
    assert all((g["weight_decay"], g["momentum"]) == (0.25, 0.5) for g in state.optimizer.param_groups)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_whole(path, b"old")
    real = open
    monkeypatch.setattr(
        "builtins.open", lambda name, *a, **k: real("/dev/full" if ".tmp" in str(name) else name, *a, **k)
    )
    with pytest.raises(OSError, match="No space left"):
        write_whole(path, b"new" * 10000)
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    assert _names(tmp_path) == ["file"]


def test_who_reads_the_old_file_reads_it_to_its_end(tmp_path):
    path = tmp_path / "file"
    write_whole(path, b"old")
    with open(path, "rb") as reader:
        write_whole(path, b"new")
        assert reader.read() == b"old"
    assert path.read_bytes() == b"new"


def test_a_disk_that_fills_up_in_mid_file_leaves_the_old_checkpoint(tmp_path):
    resource = pytest.importorskip("resource")
    checkpoints = _saved(tmp_path, 5)
    state = runs.state_of(runs.network())
    state.step = 5
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, ((tmp_path / "last").stat().st_size // 2, limits[1]))
    try:
        with pytest.raises(CheckpointError, match="cannot write .*step_000005.pt: File too large; the older"):
            checkpoints.save(state)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert read(tmp_path / "step_000005.pt")["step"] == read(tmp_path / "last")["step"] == 5
    assert _names(tmp_path) == ["last", "step_000005.pt"]


def test_without_hard_links_the_second_name_is_a_copy(tmp_path, monkeypatch):
    def refuse(*names):
        raise PermissionError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    (tmp_path / "a").write_bytes(b"new")
    (tmp_path / "b").write_bytes(b"old")
    link_whole(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == b"new"
    assert _names(tmp_path) == ["a", "b"]


KILLED = """
import os, pathlib, signal, sys, torch
torch.set_num_threads(1)
from tests.engine import runs
from videonet.engine.checkpoint import Checkpoints

def counted(name):
    real = getattr(os, name)
    def call(*arguments, **options):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments, **options)
    setattr(os, name, call)

runs.state_of(runs.network())  # torch imports the rest of itself now, not in every child
for name in ("fsync", "replace", "link", "unlink"):
    counted(name)
for moment in range(int(sys.argv[2])):
    child = os.fork()
    if child:
        assert os.waitpid(child, 0)[1] == signal.SIGKILL, moment
        continue
    left = moment + 1
    folder = pathlib.Path(sys.argv[1]) / str(moment)
    state = runs.state_of(runs.network())
    checkpoints = Checkpoints(folder, keep=1, watch="top1")
    for state.step in range(1, 9):
        state.metric = {"top1": float(state.step)}
        checkpoints.save(state, evaluated=True)
        (folder / "complete").write_text(str(state.step))
    os._exit(0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_killed_at_any_moment_of_a_save_every_name_is_a_whole_checkpoint(tmp_path):
    moments = 30  # two and a half saves: before every call that changes the disk
    command = [sys.executable, "-c", KILLED, str(tmp_path), str(moments)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert ended.returncode == 0, ended.stderr
    reached = set()
    for moment in range(moments):
        folder = tmp_path / str(moment)
        complete = int((folder / "complete").read_text()) if (folder / "complete").exists() else 0
        for path in folder.iterdir():
            if path.name in ("last", "best") or path.suffix == ".pt":
                assert read(path)["step"] >= complete
        state = runs.state_of(runs.network())
        Checkpoints(folder).resume(state)
        assert state.step >= complete
        reached.add(complete)
    assert reached == {0, 1, 2}


def test_a_half_written_file_is_cleared_by_the_next_save(tmp_path):
    (tmp_path / ".step_000001.pt.tmp").write_bytes(b"half")
    _saved(tmp_path, 2)
    assert _names(tmp_path) == ["last", "step_000002.pt"]


def test_impossible_settings_are_errors(tmp_path):
    with pytest.raises(ValueError, match="keep must be"):
        Checkpoints(tmp_path, keep=-1)
    with pytest.raises(ValueError, match="decay of a moving average must be between 0 and 1, got 1"):
        moving_average(runs.network(), 1)
