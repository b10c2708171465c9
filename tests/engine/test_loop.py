"""Laws of the training loop: exact resume, parts equal to the whole, a clear end when things go wrong."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from tests.engine import runs
from videonet.engine import optim
from videonet.engine.checkpoint import CheckpointError, Checkpoints, read
from videonet.engine.loop import gradients, update
from videonet.engine.precision import grad_scaler
from videonet.engine.task import ActionDetection, Classification
from videonet.engine.watch import Diverged, Watch
from videonet.models.checkpoint import state_of

ROOT = Path(__file__).resolve().parents[2]


def _lines(folder: Path) -> list[dict]:
    volatile = ("dt", "data_wait", "clips_per_s", "rss_mb", "eta_s")
    entries = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [{key: value for key, value in entry.items() if key not in volatile} for entry in entries]


def _same(a: object, b: object) -> bool:
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(_same, a, b))
    return torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b


def _final(folder: Path) -> dict:
    return read(folder / "checkpoints" / "last")


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("uninterrupted")
    assert runs.run(runs.state_of(runs.network()), folder)
    return folder


def _resumed(folder: Path) -> None:
    state = runs.state_of(runs.network())
    torch.rand(5)  # a new process has drawn other numbers
    Checkpoints(folder / "checkpoints").resume(state)
    assert runs.run(state, folder)


@pytest.mark.parametrize("stop_at", [3, 5, 11])
def test_a_resumed_run_is_bit_identical(tmp_path, uninterrupted, stop_at):
    class Cut(Exception):
        pass

    def cut(state):
        for batch in runs.batches_from(0):
            if state.step == stop_at:
                raise Cut
            yield batch

    state = runs.state_of(runs.network())
    with pytest.raises(Cut):
        runs.run(state, tmp_path, batches=cut(state))
    _resumed(tmp_path)
    assert _same(_final(tmp_path), _final(uninterrupted))
    assert _lines(tmp_path) == _lines(uninterrupted)


def test_killed_between_two_checkpoints_the_run_resumes_bit_identically(tmp_path, uninterrupted):
    code = (
        "import os, signal, sys, pathlib, torch\n"
        "torch.set_num_threads(1)\n"
        "from tests.engine import runs\n"
        "def batches():\n"
        "    for step, batch in enumerate(runs.batches_from(0)):\n"
        "        if step == 8: os.kill(os.getpid(), signal.SIGKILL)\n"
        "        yield batch\n"
        "runs.run(runs.state_of(runs.network()), pathlib.Path(sys.argv[1]), batches=batches())\n"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, capture_output=True, timeout=100)
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    assert _final(tmp_path)["step"] == 6
    with open(tmp_path / "log.jsonl", "a") as file:
        file.write('{"split": "train", "st')  # and while it wrote a line
    _resumed(tmp_path)
    assert _same(_final(tmp_path), _final(uninterrupted))
    assert _lines(tmp_path) == _lines(uninterrupted)


def test_sigterm_saves_and_stops_and_the_run_resumes_bit_identically(tmp_path, uninterrupted):
    def batches():
        for step, batch in enumerate(runs.batches_from(0)):
            if step == 4:
                os.kill(os.getpid(), signal.SIGTERM)
            yield batch

    before = signal.getsignal(signal.SIGTERM)
    assert runs.run(runs.state_of(runs.network()), tmp_path, batches=batches()) is False
    assert signal.getsignal(signal.SIGTERM) is before
    assert _final(tmp_path)["step"] == 5
    _resumed(tmp_path)
    assert _same(_final(tmp_path), _final(uninterrupted))


def test_an_evaluation_that_draws_numbers_does_not_change_the_run(tmp_path, uninterrupted):
    seen = []

    def evaluate(model):
        model.eval()
        seen.append(float(torch.rand(1)))
        return {"top1": 50.0}

    runs.run(runs.state_of(runs.network(), ema=False), tmp_path, evaluate=evaluate)
    assert len(seen) == 3
    assert _same(_final(tmp_path)["model"], _final(uninterrupted)["model"])


def test_what_was_evaluated_is_saved_so_that_the_best_is_exact(tmp_path):
    values = {5: 60.0, 10: 80.0, 12: 70.0}
    state = runs.state_of(runs.network())
    evaluated = {}

    def evaluate(model):
        evaluated[state.step] = {key: value.clone() for key, value in model.state_dict().items()}
        return {"top1": values[state.step]}

    runs.run(state, tmp_path, evaluate=evaluate, save=0)
    best = read(tmp_path / "checkpoints" / "best")
    assert (best["step"], best["metric"]) == (10, {"top1": 80.0})
    assert _same(state_of(best), evaluated[10])
    vals = [line for line in _lines(tmp_path) if line["split"] == "val"]
    assert vals == [{"split": "val", "step": n, "epoch": n / 4, "top1": value} for n, value in values.items()]


def test_a_finished_run_has_nothing_to_do(tmp_path, uninterrupted):
    state = runs.state_of(runs.network())
    Checkpoints(uninterrupted / "checkpoints").resume(state)
    assert runs.run(state, None, batches=[])


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw", "lars"])
def test_every_optimizer_resumes(tmp_path, name):
    whole = runs.state_of(runs.network(), name=name)
    runs.run(whole, tmp_path / "whole", steps=8)
    runs.run(runs.state_of(runs.network(), name=name), tmp_path / "cut", steps=4)
    rest = runs.state_of(runs.network(), name=name)
    Checkpoints(tmp_path / "cut" / "checkpoints").resume(rest)
    runs.run(rest, tmp_path / "cut", steps=8)
    assert _same(rest.state_dict(), whole.state_dict())
    assert not _same(rest.model.state_dict(), runs.network().state_dict())


def _grads(model: nn.Module, batch: dict, task, accumulate: int, prepare=runs.prepare) -> tuple[dict, list]:
    model.zero_grad()
    figures = gradients(model, batch, task, grad_scaler("fp32", torch.device("cpu")), prepare, "fp32", accumulate)
    return figures, [weight.grad.clone() for weight in model.parameters()]


@pytest.mark.parametrize("parts", [2, 3, 8, 20])
@pytest.mark.parametrize("task", [Classification(label_smoothing=0.1), Classification(class_weights=[1, 2, 0.5])])
def test_accumulation_equals_the_big_batch(parts, task):
    model = runs.network(dropout=0).eval()
    whole, grads = _grads(model, runs.batch_of(0), task, 1)
    divided, parts_grads = _grads(model, runs.batch_of(0), task, parts)
    torch.testing.assert_close(divided, whole)
    torch.testing.assert_close(parts_grads, grads)


class _BoxModel(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(12, 3)

    def forward(self, clip, boxes):
        return self.layer(torch.cat([clip[boxes[:, 0].long()], boxes[:, 1:]], dim=1))


@pytest.mark.parametrize("parts", [2, 4])
def test_accumulation_of_boxes_equals_the_big_batch_however_they_fall(parts):
    generator = torch.Generator().manual_seed(0)
    owner = torch.tensor([0.0, 0, 0, 2, 3, 3, 3, 3])[:, None]  # clip 1 has none
    boxes = torch.cat([owner, torch.rand(8, 4, generator=generator)], dim=1)
    batch = {"clip": torch.rand(4, 8, generator=generator), "boxes": boxes}
    batch["box_label"] = (torch.rand(8, 3, generator=generator) > 0.5).float()

    def prepare(part):
        return (part["clip"], part["boxes"]), part["box_label"]

    whole, grads = _grads(_BoxModel(), batch, ActionDetection(), 1, prepare)
    divided, parts_grads = _grads(_BoxModel(), batch, ActionDetection(), parts, prepare)
    torch.testing.assert_close(divided["loss"], whole["loss"])
    torch.testing.assert_close(parts_grads, grads)


def _with_nan(at: int):
    for step, batch in enumerate(runs.batches_from(0)):
        if step == at:
            batch = {**batch, "clip": batch["clip"].float()}
            batch["clip"][2, 3] = float("nan")
        yield batch


def test_a_nan_stops_with_step_rate_history_clips_and_a_dump(tmp_path):
    watch = Watch(tmp_path / "bad", name=lambda row: f"clips/{row}.mp4")
    state = runs.state_of(runs.network())
    with pytest.raises(Diverged) as caught:
        runs.run(state, tmp_path, batches=_with_nan(6), watch=watch)
    message = str(caught.value)
    assert "\n" not in message
    for part in ("loss is nan at step 7", "lr 0.1", "1.917, 1.065, nan", "clips/48.mp4", "dumped to"):
        assert part in message
    dumped = torch.load(tmp_path / "bad" / "bad_step_000007_rank0.pt", weights_only=True)
    assert dumped["step"] == 7 and dumped["batch"]["clip"][2, 3].isnan()
    saved = _final(tmp_path)
    assert saved["step"] == 6 and all(v.isfinite().all() for v in saved["model"].values())


def test_an_explosion_of_the_loss_stops(tmp_path):
    def batches():
        for step, batch in enumerate(runs.batches_from(0)):
            yield {**batch, "clip": batch["clip"].float() * (1e4 if step == 7 else 1)}

    state = runs.state_of(nn.Linear(8, 3), ema=False)
    with pytest.raises(Diverged, match=r"exploded to .* from about .* at step 8"):
        runs.run(state, None, batches=batches(), watch=Watch(explosion=20))


@pytest.mark.parametrize(
    ("clip", "measure", "known"),
    [
        (None, False, False),
        (None, True, True),
        (optim.clipping(norm=1e-3), False, True),
        (optim.clipping(norm=1e-3), True, True),
        (optim.clipping(value=1e-3), False, False),
        (optim.clipping(value=1e-3), True, True),
    ],
)
def test_the_gradient_norm_is_that_before_clipping_where_it_is_known(clip, measure, known):
    state = runs.state_of(nn.Linear(8, 3), ema=False)
    _grads(state.model, runs.batch_of(0), Classification(), 1)
    expected = optim.gradient_norm(state.model.parameters())
    norm = update(state, 0.1, clip, measure=measure)
    assert norm == pytest.approx(expected) if known else norm is None


def test_gradients_are_clipped():
    def change(clip):
        state = runs.state_of(nn.Linear(8, 3), ema=False)
        before = [weight.detach().clone() for weight in state.model.parameters()]
        runs.run(state, None, steps=1, clip=clip)
        return sum(float((a - b.detach()).norm()) for a, b in zip(before, state.model.parameters()))

    torch.manual_seed(0)
    free = change(None)
    assert change(optim.clipping(norm=1e-4)) < free / 100
    assert change(optim.clipping(value=1e-5)) < free / 100


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_low_precision_trains_with_float32_weights(precision):
    state = runs.state_of(runs.network())
    state.scaler = grad_scaler(precision, torch.device("cpu"))
    before = runs.network().state_dict()
    assert runs.run(state, None, precision=precision)
    after = state.model.state_dict()
    assert all(value.dtype == before[key].dtype and value.isfinite().all() for key, value in after.items())
    assert not torch.equal(after["0.weight"], before["0.weight"])
    with pytest.raises(ValueError, match="precision 'int4' is unknown"):
        runs.run(runs.state_of(runs.network()), None, precision="int4")


def test_the_moving_average_follows_its_formula():
    model = nn.Linear(8, 3)
    state = runs.state_of(model)
    first = None
    expected = None
    for step in range(1, 4):
        runs.run(state, None, steps=step)
        weight = model.weight.detach()
        expected = weight.clone() if expected is None else 0.9 * expected + 0.1 * weight
        first = weight.clone() if first is None else first
    torch.testing.assert_close(state.evaluated_model.weight.detach(), expected)
    assert not torch.equal(state.evaluated_model.weight, model.weight)


def test_frozen_parts_and_their_statistics_stay_bit_identical():
    model = nn.Sequential(runs.network(), nn.Linear(3, 3))
    before = {key: value.clone() for key, value in model.state_dict().items()}
    optim.freeze(model, ["0.0", "0.1"])
    runs.run(runs.state_of(model, ema=False), None)
    after = model.state_dict()
    for key, value in after.items():
        assert torch.equal(value, before[key]) == key.startswith(("0.0.", "0.1.")), key


def test_too_little_memory_says_what_to_try(tmp_path):
    def prepare(batch):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB\nand more")

    state = runs.state_of(runs.network())
    with pytest.raises(ValueError, match=r"for 4 clips of \(8,\) at once: try TRAIN.ACCUMULATE 4 ") as caught:
        runs.run(state, None, prepare=prepare, accumulate=2)
    assert "\n" not in str(caught.value)


def test_batches_that_end_too_early_are_an_error():
    with pytest.raises(ValueError, match="batches ended after step 2; the schedule has 12 steps"):
        runs.run(runs.state_of(runs.network()), None, batches=[runs.batch_of(0), runs.batch_of(1)])


def test_a_full_disk_stops_the_run_with_one_clear_line_and_the_old_file_stays(tmp_path, monkeypatch):
    state = runs.state_of(runs.network())
    runs.run(state, tmp_path, steps=4)
    rest = runs.state_of(runs.network())
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    checkpoints.resume(rest)
    content = (tmp_path / "checkpoints" / "last").read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CheckpointError, match=r"cannot write .*step_000006.pt: No space left on device") as caught:
        runs.run(rest, tmp_path, steps=8)
    assert "\n" not in str(caught.value)
    monkeypatch.undo()
    assert (tmp_path / "checkpoints" / "last").read_bytes() == content
    assert not list((tmp_path / "checkpoints").glob(".*"))
