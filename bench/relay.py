"""A wire that breaks: it passes bytes on between a client and a server, and cuts connections as it is told."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

_BLOCK = 256 * 1024


@dataclass
class Relay:
    """`port` is where it listens; `cuts` how many connections it has cut."""

    port: int
    cuts: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note_cut(self) -> None:
        with self._lock:
            self.cuts += 1


@contextmanager
def running_relay(server: tuple[str, int], *, patience: Callable[[], int | None]) -> Iterator[Relay]:
    """A relay to `server`. `patience` is asked, for every connection, after how many bytes it is cut; None is never."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        relay = Relay(listener.getsockname()[1])
        threading.Thread(target=_accept, args=(listener, server, patience, relay), daemon=True).start()
        try:
            yield relay
        finally:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)


def _accept(listener: socket.socket, server: tuple[str, int], patience: Callable[[], int | None], relay: Relay) -> None:
    with suppress(OSError):
        while True:
            client, _ = listener.accept()
            upstream = socket.create_connection(server)
            threading.Thread(target=_pass_on, args=(client, upstream, None, relay), daemon=True).start()
            threading.Thread(target=_pass_on, args=(upstream, client, patience(), relay), daemon=True).start()


def _pass_on(source: socket.socket, target: socket.socket, left: int | None, relay: Relay) -> None:
    """Copy until the source ends or `left` bytes have gone; then neither side has a connection any more."""
    with suppress(OSError):
        while block := source.recv(_BLOCK):
            if left is not None and len(block) >= left:
                target.sendall(block[:left])
                relay.note_cut()
                break
            target.sendall(block)
            left = None if left is None else left - len(block)
    for end in (source, target):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
