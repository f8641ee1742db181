"""How far a job is, told by the thread that does the work and read by the one that keeps its lease."""

from __future__ import annotations

import time
from collections.abc import Callable


class Progress:
    """A percentage that only grows, through named phases that share it out between them.

    `listener`, if given, hears of every step, in the working thread.
    """

    def __init__(self, listener: Callable[[Progress], None] | None = None) -> None:
        self.phase = "Starting"
        self.moved_at = time.monotonic()
        self._start = self._end = 0.0
        self._done = 0
        self._total = 1
        self._listener = listener

    def enter(self, phase: str, *, until: float, total: int) -> None:
        """Begin `phase`, which takes the percentage to `until` in `total` steps."""
        self._start, self._end = self._end, max(until, self._end)
        self._done, self._total = 0, max(total, 1)
        self.phase = phase
        self.advance(0)

    def advance(self, steps: int = 1) -> None:
        """Note that `steps` more of this phase are done."""
        self._done = min(self._done + steps, self._total)
        self.moved_at = time.monotonic()
        if self._listener is not None:
            self._listener(self)

    @property
    def percent(self) -> float:
        return self._start + (self._end - self._start) * self._done / self._total
