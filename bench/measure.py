"""One piece of work in a process of its own, and what it took."""

from __future__ import annotations

import gc
import os
import pickle
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import Pipe
from typing import Any

#: What a piece of work may come back with: counts and sizes for the table.
Outcome = dict[str, Any]
Work = Callable[[], Outcome]


@dataclass(frozen=True)
class Cost:
    """`cpu` is user and system time, children included, and `wall` real time, both in seconds.

    `peak` is the most memory that was resident, in bytes; it begins with what the fork inherits.
    """

    cpu: float
    wall: float
    peak: int
    outcome: Outcome


class Broken(Exception):
    """The work itself failed; its trace is on standard error."""


def measure(work: Work) -> Cost:
    """Do `work` in a fresh fork of this process."""
    receiving, sending = Pipe(duplex=False)
    started = time.perf_counter()
    pid = os.fork()
    if not pid:
        _do(work, sending)
    sending.close()
    try:
        outcome = receiving.recv()
    except EOFError:
        outcome = None
    _, status, usage = os.wait4(pid, 0)
    wall = time.perf_counter() - started
    if outcome is None or status:
        raise Broken(f"The work ended with status {status}.")
    return Cost(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss * 1024, outcome)


def _do(work: Work, sending: Any) -> None:
    status = 1
    gc.freeze()  # as a worker does
    try:
        sending.send(work())
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


class Host:
    """A process that has prepared itself, and measures in forks of its own what it is asked by name."""

    def __init__(self, works: dict[str, Work], *, prepare: Callable[[], None]) -> None:
        self._pipe, theirs = Pipe()
        self._pid = os.fork()
        if not self._pid:
            self._pipe.close()
            _serve(works, prepare, theirs)
        theirs.close()

    def measure(self, name: str) -> Cost:
        self._pipe.send(name)
        cost: Cost | None = pickle.loads(self._pipe.recv_bytes())
        if cost is None:
            raise Broken(f"{name} failed.")
        return cost

    def close(self) -> None:
        self._pipe.close()
        os.kill(self._pid, signal.SIGTERM)
        os.waitpid(self._pid, 0)


def _serve(works: dict[str, Work], prepare: Callable[[], None], pipe: Any) -> None:
    try:
        prepare()
        while True:
            try:
                cost = measure(works[pipe.recv()])
            except Broken:
                cost = None
            pipe.send_bytes(pickle.dumps(cost))
    except EOFError:
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
