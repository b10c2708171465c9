"""A polite request to stop (SIGTERM from a scheduler), seen between two steps."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType

from videonet import distributed


class Interruption:
    """While entered, SIGTERM does not kill the process: it is noted."""

    def __init__(self) -> None:
        self.noted = False

    def __enter__(self) -> Interruption:
        self._main = threading.current_thread() is threading.main_thread()
        if self._main:
            self._before = signal.signal(signal.SIGTERM, self._note)
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._main:
            signal.signal(signal.SIGTERM, self._before)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.noted = True

    def agreed(self, ask: bool) -> bool:
        """True when the run should stop here, with the same answer on every process. Several processes see a signal at
        different steps, so they compare notes, when told to `ask`; one process always knows."""
        if distributed.world_size() == 1:
            return self.noted
        return ask and any(distributed.gather(self.noted))
