"""Downloads that are not taken, or taken slowly, keep nobody else waiting."""

from __future__ import annotations

import hashlib
import random
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.frame.gunicorns import ask, asking, body_of, running_gunicorn
from tests.waiting import wait_until
from vi_portal import slow_readers

SIZE = 12 * 1024 * 1024
THREADS = 8


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("slow") / "archive.zip"
    path.write_bytes(random.Random(7).randbytes(SIZE))
    return path


@pytest.fixture(scope="module")
def server(file: Path) -> Iterator[running_gunicorn]:
    with running_gunicorn(file, threads=THREADS) as started:
        yield started


def test_pages_are_answered_beside_more_slow_readers_than_threads(server: running_gunicorn, file: Path) -> None:
    digest = hashlib.sha256(file.read_bytes()).digest()
    with ExitStack() as open_connections:
        readers = [open_connections.enter_context(asking(server.port, "/file")) for _ in range(5 * THREADS)]
        for reader in readers:
            assert reader.recv(12, socket.MSG_PEEK) == b"HTTP/1.1 200"
        assert ask(server.port, "HEAD").status == 200
        assert ask(server.port, Range="bytes=-5").status == 206
        for reader in readers[::5]:
            assert hashlib.sha256(body_of(reader)).digest() == digest


def test_a_connection_is_used_again_after_a_slow_download(server: running_gunicorn, file: Path) -> None:
    content = file.read_bytes()
    with asking(server.port, "/file", "Range: bytes=1-\r\n") as reader:
        assert ask(server.port, "HEAD").status == 200
        assert body_of(reader) == content[1:]
        reader.sendall(b"GET /file HTTP/1.1\r\nHost: 127.0.0.1\r\nRange: bytes=0-9\r\n\r\n")
        assert body_of(reader) == content[:10]


def test_who_leaves_in_the_middle_leaves_nothing_open(server: running_gunicorn) -> None:
    def files_open() -> int:
        return sum(str(target).endswith("archive.zip") for target in server.open_files())

    wait_until(lambda: not files_open())
    readers = [asking(server.port, "/file") for _ in range(3)]
    for reader in readers:
        assert reader.recv(12) == b"HTTP/1.1 200"
    wait_until(lambda: files_open() == 3)
    for reader in readers:
        reader.close()
    wait_until(lambda: not files_open())
    assert ask(server.port, "HEAD").status == 200


@pytest.fixture
def sender(monkeypatch: pytest.MonkeyPatch) -> slow_readers.Sender:
    monkeypatch.setattr(slow_readers, "STALLED_SECONDS", 0.2)
    monkeypatch.setattr(slow_readers, "TICK_SECONDS", 0.05)
    started = slow_readers.Sender()
    started.start()
    return started


@pytest.mark.parametrize(
    ("left", "reads", "whole"), [(SIZE, False, False), (SIZE, True, True), (SIZE + 1, True, False)], ids=str
)
def test_who_takes_nothing_is_given_up(
    sender: slow_readers.Sender, file: Path, left: int, reads: bool, whole: bool
) -> None:
    """Or who was promised more than the file has."""
    here, there = socket.socketpair()
    here.setblocking(False)
    opened, told = file.open("rb"), list[bool]()
    with here, there:
        sender.take(slow_readers.Rest(here, opened, 0, left, time.monotonic()), told.append)
        received = 0
        while reads and received < SIZE:
            received += len(there.recv(1024 * 1024))
        assert wait_until(lambda: told) == [whole]
    assert opened.closed
