"""How much memory another program holds, while something is done with it."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Memory(AbstractContextManager["Memory"]):
    """Resident memory of the process `pid` in bytes: before, the most seen during, and after the block.

    `ever` is the most it ever held, as the kernel counts it.
    """

    pid: int
    before: int = 0
    during: int = 0
    after: int = 0
    ever: int = 0
    _over: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Memory:
        self.before = self.during = _status(self.pid, "VmRSS")
        self._watcher = threading.Thread(target=self._watch)
        self._watcher.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self._over.set()
        self._watcher.join()
        self.after, self.ever = _status(self.pid, "VmRSS"), _status(self.pid, "VmHWM")

    def _watch(self) -> None:
        while not self._over.wait(0.05):
            self.during = max(self.during, _status(self.pid, "VmRSS"))


def child_of(pid: int) -> int:
    """The one process that `pid` has started: gunicorn's worker, for gunicorn."""
    [child] = [int(each) for file in Path(f"/proc/{pid}/task").glob("*/children") for each in file.read_text().split()]
    return child


def _status(pid: int, name: str) -> int:
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.split(f"{name}:")[1].split()[0]) * 1024
