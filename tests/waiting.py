"""Waiting for other programs: for a condition, with a deadline, never for a time; and a port they can have."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

Answer = TypeVar("Answer")


def wait_until(condition: Callable[[], Answer], *, within: float = 20.0, what: str = "it came true") -> Answer:
    """The first answer of `condition` that is true; an error when there was none `within` so many seconds.

    The error says `what` was waited for.
    """
    deadline = time.monotonic() + within
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"Not within {within:.0f} s: {what}."
        time.sleep(0.02)
    return answer


def wait_until_up(
    process: subprocess.Popen[Any], answers: Callable[[], bool], *, within: float = 30.0, log: Path | None = None
) -> None:
    """Return when the server that `process` runs `answers`; an error, with its `log`, when it ended or took longer."""
    deadline = time.monotonic() + within
    while not answers():
        said = log.read_text() if log and log.exists() else ""
        assert process.poll() is None, f"The server ended. {said}"
        assert time.monotonic() < deadline, f"Not within {within:.0f} s: the server answers. {said}"
        time.sleep(0.02)


def free_port() -> int:
    """A port of the loopback that nobody listens at now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    """Whether somebody does, at this port of the loopback."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
