"""Checkpoints: files that are written whole or not at all, and read without executing anything in them."""

from __future__ import annotations

import contextlib
import io
import math
import os
import re
from pathlib import Path
from pickle import UnpicklingError

import torch

from videonet import distributed
from videonet.engine.state import FORMAT, State


class CheckpointError(ValueError):
    """A checkpoint that cannot be written, read or used."""


class Checkpoints:
    """The folder of a run's checkpoints: `step_NNNNNN.pt`, and beside them `last` and `best`.

    Each file is written under a temporary name, flushed to the disk and renamed: at any moment each name is either
    absent or a complete checkpoint. `last` and `best` are hard links to (on file systems without them: copies of) step
    files, so they can be read like any checkpoint, and `best` outlives the removal of old steps.

    Args:
        folder: made when the first is saved.
        keep: how many step files stay; 0 keeps all.
        watch: the metric whose highest value is `best`; None: there is no best.
    """

    def __init__(self, folder: Path | str, *, keep: int = 3, watch: str | None = None) -> None:
        if keep < 0:
            raise ValueError(f"keep must be the number of checkpoints to keep, or 0 for all; got {keep}")
        self.folder = Path(folder)
        self.keep = keep
        self.watch = watch

    def save(self, state: State, *, evaluated: bool = False) -> Path:
        """Write the state: every process calls it, the main one writes.

        Args:
            evaluated: state.metric is of these weights, so they may be the best.

        Raises:
            CheckpointError: on every process, when the file cannot be written (a full disk ...); older files stay.
        """
        value = state.metric.get(self.watch) if evaluated and self.watch else None
        if value is not None and math.isfinite(value) and (state.best is None or value > state.best):
            state.best, state.best_step = value, state.step
        state.synchronize()
        content = state.state_dict()
        path = self.folder / f"step_{state.step:06d}.pt"
        failure = None
        if distributed.is_main():
            try:
                self._write(path, content)
            except OSError as error:
                failure = f"cannot write {path}: {error.strerror or error}; the older checkpoints are untouched"
        failure = distributed.broadcast(failure)
        if failure:
            raise CheckpointError(failure)
        return path

    def _write(self, path: Path, content: dict) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        for unfinished in self.folder.glob(".*.tmp"):
            unfinished.unlink()
        buffer = io.BytesIO()
        torch.save(content, buffer)
        write_whole(path, buffer.getbuffer())
        self._name(path, content)
        past = [old for step, old in self._steps() if step <= content["step"]]
        for old in past[: -self.keep] if self.keep else []:
            old.unlink(missing_ok=True)

    def _name(self, path: Path, content: dict) -> None:
        if content["best_step"] == content["step"]:
            link_whole(path, self.folder / "best")
        link_whole(path, self.folder / "last")

    def _steps(self) -> list[tuple[int, Path]]:
        numbered = [(re.fullmatch(r"step_(\d+)\.pt", path.name), path) for path in self.folder.glob("step_*.pt")]
        return sorted((int(found[1]), path) for found, path in numbered if found)

    def latest(self) -> Path | None:
        """The checkpoint to resume from, if there is one: `last`, or where that was removed the highest step."""
        last = self.folder / "last"
        return last if last.exists() else next((path for _, path in reversed(self._steps())), None)

    def resume(self, state: State) -> Path | None:
        """Load the latest checkpoint into the state, if there is one; returns its path."""
        path = distributed.broadcast(self.latest())
        if path is None:
            return None
        saved = read(path)
        try:
            state.load_state_dict(saved)
        except ValueError as error:
            way = "set another OUTPUT_DIR to start afresh, or TRAIN.INIT_FROM to take its weights alone"
            raise CheckpointError(f"cannot resume from {path}: {error}; {way}") from error
        return path


def write_whole(path: Path, data: bytes | memoryview) -> None:
    """Put `data` into a file so that it has either its old content or all of the new, whatever happens meanwhile."""
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    with contextlib.suppress(OSError):  # not every system lets a folder be flushed
        descriptor = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def link_whole(source: Path, path: Path) -> None:
    """Give a complete file a second name, in place of what had that name before."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.unlink(missing_ok=True)
    try:
        os.link(source, temporary)
    except OSError:  # a file system without hard links
        write_whole(path, source.read_bytes())
    else:
        os.replace(temporary, path)
        temporary.unlink(missing_ok=True)  # renaming one name of a file to another of its names leaves both


def read(path: Path | str) -> dict:
    """A checkpoint of `Checkpoints`, on the CPU; nothing in the file is executed.

    Raises:
        CheckpointError: the file is missing, cut, no checkpoint at all, or not one of ours.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"{path}: there is no such file")
    with open(path, "rb") as file:
        start = file.read(64).lstrip()
    size = path.stat().st_size
    if not start.startswith(b"PK"):
        what = "a web page" if start.startswith(b"<") else "empty" if not size else "no torch file of today"
        raise CheckpointError(f"{path} is not a checkpoint ({what}, {size} bytes): fetch or convert it again")
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        raise CheckpointError(f"{path} holds code; only tensors, numbers and text are read: do not trust it") from error
    except Exception as error:
        reason = str(error).strip().splitlines()[0][:160]
        raise CheckpointError(f"{path} ({size} bytes) is damaged or cut short: {reason}") from error
    if not isinstance(saved, dict) or saved.get("format") != FORMAT:
        keys = ", ".join(map(str, list(saved)[:5])) if isinstance(saved, dict) else type(saved).__name__
        raise CheckpointError(f"{path} is no checkpoint of a videonet run (it holds {keys}): convert it first")
    return saved
