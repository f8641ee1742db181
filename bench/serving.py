"""A portal of its own to measure: `manage.py serve` over an empty folder, and what its processes take."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.waiting import free_port

_TICKS = os.sysconf("SC_CLK_TCK")
_ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Took:
    """CPU seconds so far, user and system time, and the most memory ever resident, in bytes."""

    cpu: float
    peak: int


@dataclass(frozen=True)
class Served:
    """A running portal: where it answers, what it logs, and the process that supervises it."""

    url: str
    log: Path
    pid: int

    @property
    def web(self) -> list[int]:
        """The processes that answer requests."""
        return self._all("gunicorn")

    @property
    def worker(self) -> list[int]:
        """Those that take messages, sweep and do jobs."""
        return self._all("celery")

    def everyone(self) -> list[int]:
        return [self.pid, *_descendants(self.pid)]

    def _all(self, word: str) -> list[int]:
        return [pid for pid in _descendants(self.pid) if word in _command(pid)]


@contextmanager
def serving(folder: Path, **more: str) -> Iterator[Served]:
    """The portal in `folder`, migrated already, with every default but `more`; up, and its worker signed in."""
    port = free_port()
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")}
    log = folder / "serve.log"
    with log.open("w") as written:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "serve"],
            cwd=_ROOT,
            env=kept | {"DATA_DIR": str(folder), "HTTPS": "off", "PORT": str(port)} | more,
            stdout=written,
            stderr=subprocess.STDOUT,
        )
    served = Served(f"http://127.0.0.1:{port}", log, process.pid)
    try:
        _wait_until_up(served, process)
        yield served
    finally:
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)


def took(pids: list[int]) -> Took:
    """What these processes took together; the memory of the largest."""
    return Took(sum(map(_cpu, pids)), max(map(_peak, pids), default=0))


def _wait_until_up(served: Served, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while not _is_well(served.url):
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"The portal did not start.\n{served.log.read_text()}")
        time.sleep(0.2)


def _is_well(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", trust_env=False, timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def _descendants(pid: int) -> list[int]:
    found = []
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, file.read_text().split()):
            found += [child, *_descendants(child)]
    return found


def _command(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _peak(pid: int) -> int:
    return int(Path(f"/proc/{pid}/status").read_text().split("VmHWM:")[1].split()[0]) * 1024
