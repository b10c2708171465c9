"""Laws of the log: one JSON object a line, one line a step also after a resume, a line that a human reads."""

import json
import mmap
import time

import pytest
import torch

from videonet.engine.clock import Clock, resident_mb
from videonet.engine.log import Log, readable
from videonet.engine.mean import Mean

LINE = {
    "split": "train",
    "step": 20,
    "epoch": 0.4,
    "loss": 1.925,
    "lr": 0.01,
    "dt": 0.5,
    "data_wait": 0.03,
    "eta_s": 72,
}


def _lines(folder) -> list[dict]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def test_lines_are_json_and_what_is_not_finite_is_null(tmp_path):
    log = Log(tmp_path / "new", tensorboard=False)
    log.write(LINE)
    log.write({"split": "val", "step": 20, "loss": float("nan"), "top1": torch.tensor(50.0)})
    assert _lines(tmp_path / "new") == [LINE, {"split": "val", "step": 20, "loss": None, "top1": 50.0}]


def test_rewind_forgets_what_a_resumed_run_writes_again(tmp_path):
    log = Log(tmp_path, tensorboard=False)
    for step in (10, 20, 30):
        log.write({**LINE, "step": step})
        log.write({"split": "val", "step": step})
    log.write({"split": "test", "step": 30})
    with open(tmp_path / "log.jsonl", "a") as file:
        file.write('{"split": "tr')
    Log(tmp_path, tensorboard=False).rewind(20)
    assert [(line["split"], line["step"]) for line in _lines(tmp_path)] == [
        ("train", 10),
        ("val", 10),
        ("train", 20),
        ("val", 20),
        ("test", 30),
    ]


def test_a_line_for_the_reader(capsys):
    Log(None).write(LINE)
    assert capsys.readouterr().out.strip() == (
        "train  step 20  epoch 0.40  loss 1.925  lr 0.01  0.500 s/step  data wait 3%  eta 0:01:12"
    )
    assert readable({"split": "val", "step": 3, "loss": None}) == "val  step 3  loss None"


def test_waiting_for_data_is_said_once(capsys):
    log = Log(None)
    for _ in range(3):
        log.write({**LINE, "data_wait": 0.25})
    assert capsys.readouterr().out.count("waits 25 % of the time for data") == 1


def test_tensorboard_has_the_scalars(tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    log = Log(tmp_path)
    log.rewind(0)
    log.write(LINE)
    log.write({**LINE, "step": 30, "loss": 1.5})
    log.close()
    events = accumulator.EventAccumulator(str(tmp_path))
    events.Reload()
    assert [(e.step, round(e.value, 3)) for e in events.Scalars("train/loss")] == [(20, 1.925), (30, 1.5)]


def test_a_log_that_cannot_be_written_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="cannot write .*log.jsonl: "):
        Log(tmp_path / "file", tensorboard=False).write(LINE)


def test_progress_gives_the_steps():
    assert list(Log(None).progress(range(3), "train", total=3)) == [0, 1, 2]


def test_the_clock_tells_waiting_from_working():
    clock = Clock()

    def batches():
        for _ in range(4):
            time.sleep(0.03)
            yield 0

    for _ in clock.waits(batches()):
        time.sleep(0.01)
        clock.count(8)
    lap = clock.lap(processes=2)
    assert lap["dt"] >= 0.04
    assert 0.03 / lap["dt"] <= lap["data_wait"] < 1
    assert lap["clips_per_s"] == pytest.approx(16 / lap["dt"], rel=1e-6)
    assert clock.lap()["clips_per_s"] == 0


def test_resident_memory_grows_with_what_is_held():
    before = resident_mb()
    with mmap.mmap(-1, 64 << 20) as held:  # pages of its own: an allocator may hand out what it kept
        for page in range(0, len(held), mmap.PAGESIZE):
            held[page] = 1
        assert 50 < resident_mb() - before < 120


def test_means_are_over_the_steps_since_they_were_read():
    mean = Mean()
    mean.add({"loss": torch.tensor(1.0), "top1_err": torch.tensor(50.0)})
    mean.add({"loss": torch.tensor(2.0), "top1_err": torch.tensor(100.0)})
    assert mean.read() == {"loss": 1.5, "top1_err": 75.0}
    mean.add({"loss": torch.tensor(4.0)})
    assert mean.read() == {"loss": 4.0}
