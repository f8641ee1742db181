"""The web server's worker: gunicorn's one with threads, but for files that are fetched slowly.

A thread sends a file only for a moment. What its reader has not taken by then is sent by one thread for all, each
time a bit to whoever can take more. So slow downloads, however many, leave the threads to the pages.
"""

from __future__ import annotations

import logging
import os
import selectors
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, BinaryIO

from gunicorn.util import has_fileno
from gunicorn.workers.gthread import TConn, ThreadWorker

log = logging.getLogger(__name__)

#: How long a thread sends by itself, in seconds: long enough for most files, short enough for pages to wait.
OWN_SECONDS = 0.25
#: A reader that takes nothing at all for so long is given up.
STALLED_SECONDS = 300.0
#: How often they are looked for.
TICK_SECONDS = 5.0

_BLOCK = 256 * 1024


@dataclass
class Rest:
    """What is still to be sent of a file: `left` bytes from `offset` on, to a socket that does not block."""

    target: socket.socket
    file: BinaryIO
    offset: int
    left: int
    moved_at: float

    def send(self) -> bool:
        """Send what the reader takes now, one block at most; whether it took any. Raises `OSError` when it is gone."""
        try:
            sent = os.sendfile(self.target.fileno(), self.file.fileno(), self.offset, min(self.left, _BLOCK))
        except BlockingIOError:
            return False
        if not sent:
            raise OSError("The file has become shorter.")
        self.offset += sent
        self.left -= sent
        self.moved_at = time.monotonic()
        return True


class Sender(threading.Thread):
    """Sends the rests of many files, and tells of each when it is over: True if all was sent."""

    def __init__(self) -> None:
        super().__init__(name="slow readers", daemon=True)
        self._new: SimpleQueue[tuple[Rest, Callable[[bool], None]]] = SimpleQueue()
        self._readers = selectors.DefaultSelector()
        self._woken, self._wake = os.pipe()
        os.set_blocking(self._woken, False)
        self._readers.register(self._woken, selectors.EVENT_READ)

    def take(self, rest: Rest, told: Callable[[bool], None]) -> None:
        """Send `rest`, and then call `told`."""
        self._new.put((rest, told))
        os.write(self._wake, b"\0")

    def run(self) -> None:
        while True:
            for key, _ in self._readers.select(TICK_SECONDS):
                if key.data is None:
                    self._welcome()
                else:
                    self._send(*key.data)
            self._give_up_stalled()

    def _welcome(self) -> None:
        with suppress(BlockingIOError):
            os.read(self._woken, 4096)
        with suppress(Empty):
            while True:
                rest, told = self._new.get_nowait()
                try:
                    self._readers.register(rest.target, selectors.EVENT_WRITE, (rest, told))
                except (OSError, ValueError, KeyError):  # its connection is closed already
                    rest.file.close()
                    told(False)

    def _send(self, rest: Rest, told: Callable[[bool], None]) -> None:
        try:
            rest.send()
        except (OSError, ValueError):
            self._end(rest, told, whole=False)
        else:
            if not rest.left:
                self._end(rest, told, whole=True)

    def _give_up_stalled(self) -> None:
        long_ago = time.monotonic() - STALLED_SECONDS
        for key in list(self._readers.get_map().values()):
            if key.data and key.data[0].moved_at < long_ago:
                self._end(*key.data, whole=False)

    def _end(self, rest: Rest, told: Callable[[bool], None], *, whole: bool) -> None:
        try:
            self._readers.unregister(rest.target)
        except (OSError, ValueError, KeyError):
            log.warning("A connection was closed while a file was sent over it.", exc_info=True)
        rest.file.close()
        told(whole)


class FileBody:
    """The body of an answer that is `length` bytes of a file, for the thread that has the request.

    When the thread's moment is over, `hand_over` is called with the rest.
    """

    def __init__(self, file: BinaryIO, length: int, target: socket.socket, hand_over: Callable[[Rest], None]) -> None:
        self._rest = Rest(target, file, file.tell(), length, time.monotonic())
        self._hand_over = hand_over
        self._is_ours = True

    def __iter__(self) -> Iterator[bytes]:
        yield b""  # now the headers are sent
        self._rest.target.setblocking(False)
        deadline = time.monotonic() + OWN_SECONDS
        with selectors.DefaultSelector() as reader:
            reader.register(self._rest.target, selectors.EVENT_WRITE)
            while self._rest.left and (patience := deadline - time.monotonic()) > 0:
                if not self._rest.send():
                    reader.select(patience)
        if self._rest.left:
            self._is_ours = False
            self._hand_over(self._rest)
        else:
            self._rest.target.setblocking(True)

    def close(self) -> None:
        if self._is_ours:
            self._rest.file.close()


class SlowReaderWorker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """A gunicorn worker: `worker_class = "vi_portal.slow_readers.SlowReaderWorker"`."""

    wsgi: Callable[..., Any]

    def init_process(self) -> None:
        self._rests: dict[socket.socket, Rest] = {}
        self._sender = Sender()
        self._sender.start()
        super().init_process()

    def load_wsgi(self) -> None:
        super().load_wsgi()
        self.wsgi = partial(self._answer, self.wsgi)

    def _answer(self, application: Callable[..., Any], environ: dict[str, Any], start_response: Any) -> Any:
        """The application's answer, with a body of ours in place of a file."""
        length: list[int] = []

        def started(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
            length[:] = [int(value) for name, value in headers if name.lower() == "content-length"]
            return start_response(status, headers, *error)

        answer = application(environ, started)
        target = environ["gunicorn.socket"]
        if (
            not isinstance(answer, environ["wsgi.file_wrapper"])
            or environ["REQUEST_METHOD"] == "HEAD"
            or isinstance(target, ssl.SSLSocket)
            or not any(length)
            or not has_fileno(answer.filelike)
        ):
            return answer
        return FileBody(answer.filelike, length[0], target, partial(self._rests.__setitem__, target))

    def finish_request(self, conn: TConn, fs: Any) -> None:
        """In the main thread, when a thread is done with a request; the connection stays open for a rest."""
        rest = self._rests.pop(conn.sock, None)
        if rest is None:
            super().finish_request(conn, fs)
        else:
            self._sender.take(rest, partial(self.method_queue.defer, self._finish_sent, conn, fs))

    def _finish_sent(self, conn: TConn, fs: Any, whole: bool) -> None:
        if whole:
            conn.sock.setblocking(True)
            super().finish_request(conn, fs)
        else:
            self.nr_conns -= 1
            conn.close()
