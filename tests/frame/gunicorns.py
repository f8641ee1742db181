"""A web server that offers one file, whoever asks it, and connections that ask and read when they like."""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import sys
from contextlib import suppress
from http.client import HTTPResponse
from pathlib import Path

from tests.frame.range_checks import Answer, ask_over_http
from tests.waiting import free_port, wait_until_up

ROOT = Path(__file__).parents[2]


class running_gunicorn:  # noqa: N801  (a context manager)
    def __init__(self, file: Path, *, threads: int = 8) -> None:
        self.port = free_port()
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "gunicorn", "tests.frame.ranged_site:application"),
                *("--config", "python:tests.frame", "--worker-class", "vi_portal.slow_readers.SlowReaderWorker"),
                *("--workers", "1", "--threads", str(threads)),
                *("--bind", f"127.0.0.1:{self.port}", "--log-level", "warning", "--no-control-socket"),
            ],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "FILE": str(file), "SHA256": digest},
        )

    def __enter__(self) -> running_gunicorn:
        wait_until_up(self._process, self._answers)
        return self

    def __exit__(self, *failure: object) -> None:
        self._process.terminate()
        self._process.wait(timeout=10)

    def memory(self) -> int:
        """The most bytes any of its processes ever held."""
        statuses = [Path(f"/proc/{pid}/status").read_text() for pid in self._pids()]
        return max(int(status.split("VmHWM:")[1].split()[0]) * 1024 for status in statuses)

    def open_files(self) -> list[Path]:
        """What its processes have open now."""
        links = [link for pid in self._pids() for link in Path(f"/proc/{pid}/fd").iterdir()]
        found = []
        for link in links:
            with suppress(OSError):
                found.append(link.readlink())
        return found

    def _answers(self) -> bool:
        with suppress(OSError):
            return ask(self.port, "HEAD").status == 200
        return False

    def _pids(self) -> list[int]:
        found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(self._process.pid)], capture_output=True, check=True)
        return [self._process.pid, *map(int, found.stdout.split())]


def ask(port: int, method: str = "GET", **headers: str) -> Answer:
    return ask_over_http(port, "/file", method, **headers)


def asking(port: int, path: str, headers: str = "") -> socket.socket:
    """A connection that has asked for `path` and reads nothing yet."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
    client.settimeout(60)
    client.connect(("127.0.0.1", port))
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{headers}\r\n".encode())
    return client


def body_of(client: socket.socket) -> bytes:
    """What it is answered, read to the end."""
    response = HTTPResponse(client)
    response.begin()
    return response.read()
