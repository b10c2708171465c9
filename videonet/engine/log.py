"""What a run says, by its main process: log.jsonl for programs, TensorBoard scalars, a line for the reader."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from tqdm import tqdm

from videonet import distributed
from videonet.engine.checkpoint import write_whole

T = TypeVar("T")
SLOW_DATA = 0.2


class Log:
    """The log of a run.

    Args:
        folder: of log.jsonl and the TensorBoard events; None: nothing is written to disk.
        tensorboard: also write TensorBoard scalars, where it is installed.
    """

    def __init__(self, folder: Path | str | None, *, tensorboard: bool = True) -> None:
        self.path = Path(folder) / "log.jsonl" if folder is not None and distributed.is_main() else None
        self._tensorboard = tensorboard and self.path is not None
        self._writer = None
        self._purge: int | None = None
        self._warned = False

    def rewind(self, step: int) -> None:
        """Forget training and validation lines of later steps: a resumed run writes them again."""
        self._purge = step + 1
        if self.path is None or not self.path.exists():
            return
        before = self.path.read_text(encoding="utf-8")
        kept = "".join(f"{line}\n" for line in before.splitlines() if _stays(line, step))
        if kept != before:
            with _clear_failure(self.path):
                write_whole(self.path, kept.encode())

    def write(self, line: Mapping[str, object]) -> None:
        """Say one thing: `split` and `step` first, then figures."""
        if not distributed.is_main():
            return
        plain = {key: _plain(value) for key, value in line.items()}
        if self.path is not None:
            with _clear_failure(self.path):
                self.path.parent.mkdir(parents=True, exist_ok=True)
                with open(self.path, "a", encoding="utf-8") as file:
                    file.write(json.dumps(plain) + "\n")
        self._scalars(plain)
        self.say(readable(plain))
        if not self._warned and plain.get("data_wait") is not None and plain["data_wait"] > SLOW_DATA:
            self._warned = True
            share = round(100 * plain["data_wait"])
            self.say(f"the model waits {share} % of the time for data: more workers or smaller videos would help")

    def say(self, text: str) -> None:
        """A line for the reader only, above a progress bar where there is one."""
        if distributed.is_main():
            tqdm.write(text)
            sys.stdout.flush()

    def progress(self, steps: Iterable[T], title: str, *, total: int | None = None, start: int = 0) -> Iterable[T]:
        """The steps, with a bar on the main process's terminal."""
        hidden = not (distributed.is_main() and sys.stderr.isatty())
        return tqdm(steps, title, total=total, initial=start, disable=hidden, leave=False, dynamic_ncols=True)

    def close(self) -> None:
        """Finish the TensorBoard file."""
        if self._writer is not None:
            self._writer.close()

    def _scalars(self, line: Mapping[str, object]) -> None:
        if self._tensorboard and self._writer is None:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError:
                self._tensorboard = False
            else:
                self._writer = SummaryWriter(str(self.path.parent), purge_step=self._purge)
        if self._writer is not None:
            for key, value in line.items():
                if key not in ("split", "step") and isinstance(value, (int, float)):
                    self._writer.add_scalar(f"{line['split']}/{key}", value, line.get("step"))


@contextmanager
def _clear_failure(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ValueError(f"cannot write {path}: {error.strerror or error}") from error


def _stays(line: str, step: int) -> bool:
    try:
        entry = json.loads(line)
    except ValueError:
        return False  # the last line of a run that was killed while it wrote
    return entry.get("split") not in ("train", "val") or entry.get("step", 0) <= step


def _plain(value: object) -> object:
    """A value that JSON has: a number that is not finite is null."""
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not math.isfinite(value) else value


FORMS = {
    "epoch": "epoch {:.2f}",
    "lr": "lr {:.3g}",
    "dt": "{:.3f} s/step",
    "data_wait": "data wait {:.0%}",
    "clips_per_s": "{:.1f} clips/s",
    "rss_mb": "{:.0f} MB",
}


def readable(line: Mapping[str, object]) -> str:
    """One line of the log for a human: `train step 20/100 epoch 0.40 loss 1.92 ... eta 0:01:12`."""
    line = dict(line)
    words = [str(line.pop("split", "")), f"step {line.pop('step')}" if "step" in line else ""]
    eta = line.pop("eta_s", None)
    for key, value in line.items():
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            words.append(FORMS.get(key, f"{key} {{:.4g}}").format(value))
        elif value is None or isinstance(value, (str, bool)):
            words.append(f"{key} {value}")
    if eta is not None:
        words.append(f"eta {timedelta(seconds=round(eta))}")
    return "  ".join(word for word in words if word)
