"""The embedded broker, `files://`: a folder of messages, one file each, that needs no server.

Kombu's filesystem transport writes a message under its final name while readers poll, and lets a reader that
meets half a message die of it. Here a message appears whole, by a rename; it is claimed by a rename, so exactly
one reader gets it; messages leave in the order of their times; and what cannot be read is dropped with a line
in the log. Nothing is promised across a power cut: the rows of the jobs are the truth, a message only a bell.
"""

from __future__ import annotations

import fcntl
import logging
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty
from typing import Any

from kombu.exceptions import ChannelError
from kombu.transport import TRANSPORT_ALIASES, filesystem, virtual
from kombu.utils.json import dumps, loads

log = logging.getLogger(__name__)

#: A file left half-written, or claimed by a reader that died, is removed after this long.
LEFTOVER_SECONDS = 3600
#: So long a reader without messages waits before it looks around.
PATIENCE_SECONDS = 0.4


def register() -> None:
    """Let Celery know what `files://` means."""
    TRANSPORT_ALIASES["files"] = "vi_portal.broker:Transport"


class Channel(filesystem.Channel):
    """A channel over the folders `data_folder_in` (which is also out) and `control_folder`.

    A name that starts with a dot is a message being written or being read; nobody else touches it.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        _discard_leftovers(self._folder())

    # Messages

    def _put(self, queue: str, message: Any, **options: Any) -> None:  # type: ignore[override]  # kombu says payload
        name = f"{time.time_ns():020}_{uuid.uuid4()}.{queue}.msg"
        folder = self._folder()
        aside = folder / f".{name}"
        try:
            aside.write_text(dumps(message))
            aside.rename(folder / name)
        except OSError as error:
            aside.unlink(missing_ok=True)
            raise ChannelError(f"The message could not be written to {folder}: {error}") from error

    def _get(self, queue: str, timeout: float | None = None) -> Any:
        folder = self._folder()
        for name in self._waiting(queue):
            claimed = folder / f".{name}"
            try:
                (folder / name).rename(claimed)
                text = claimed.read_bytes()
                claimed.unlink()
            except OSError:
                continue  # another reader was first
            try:
                return self._checked(loads(text.decode()))
            except (ValueError, TypeError, KeyError):
                log.warning("Dropped %s from the broker's folder: it is not a message.", name)
        raise Empty

    def _size(self, queue: str) -> int:
        return len(self._waiting(queue))

    def _purge(self, queue: str) -> int:
        purged = 0
        for name in self._waiting(queue):
            try:
                (self._folder() / name).unlink()
            except FileNotFoundError:
                continue
            purged += 1
        return purged

    def _waiting(self, queue: str) -> list[str]:
        """The names of the messages in `queue`, oldest first."""
        names = [path.name for path in self._folder().iterdir()]
        return sorted(name for name in names if name[0] != "." and name.partition(".")[2] == f"{queue}.msg")

    def _checked(self, message: Any) -> Any:
        """`message`, if it has what every reader looks for. Raises `ValueError`."""
        match message:
            case {"body": str(body), "properties": {"delivery_tag": _, "delivery_info": dict()} as properties}:
                self.decode_body(body, properties.get("body_encoding"))
                return message
        raise ValueError("not a message")

    def _folder(self) -> Path:
        """The folder of messages, made anew if somebody removed it."""
        return _private(Path(self.data_folder_in))

    # Which queues an exchange feeds: a small file, replaced whole under a lock

    def get_table(self, exchange: str) -> list[Any]:
        try:
            rows = loads(self._table_file(exchange).read_text())
            return [filesystem.exchange_queue_t(*row) for row in rows]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, TypeError) as error:
            log.warning("The broker's table of exchange %r cannot be read (%s); it is made anew.", exchange, error)
            return []

    def _queue_bind(self, exchange: str, routing_key: str, pattern: str | None, queue: str) -> None:
        row = filesystem.exchange_queue_t(routing_key or "", pattern or "", queue or "")
        with self._locked_table(exchange) as table:
            if row not in table:
                table.insert(0, row)

    def _delete(
        self, queue: str, exchange: str, routing_key: str, pattern: str | None, *args: Any, **options: Any
    ) -> None:
        self._purge(queue)
        row = filesystem.exchange_queue_t(routing_key or "", pattern or "", queue or "")
        with self._locked_table(exchange) as table:
            if row in table:
                table.remove(row)

    @contextmanager
    def _locked_table(self, exchange: str) -> Iterator[list[Any]]:
        """The table of `exchange`, to be changed in place; what it is at the end is stored."""
        file = self._table_file(exchange)
        with (_private(file.parent) / ".lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            before = self.get_table(exchange)
            table = list(before)
            yield table
            if table != before:
                aside = file.with_name(f".{file.name}")
                aside.write_text(dumps(table))
                aside.rename(file)

    def _table_file(self, exchange: str) -> Path:
        file: Path = self._exchange_file(exchange)  # type: ignore[attr-defined]  # kombu's stub lacks it
        return file


class Transport(filesystem.Transport):
    """What `files://` names.

    It takes part in the worker's event loop, and so the worker has a pool with a pipe for each child. In the other
    kind of pool all children wait at one lock, and one that is killed while it waits keeps it for ever.
    """

    Channel = Channel
    driver_type = "files"
    driver_name = "files"
    implements = filesystem.Transport.implements.extend(asynchronous=True)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # Each connection binds its queues itself: one that relied on another's would miss a removed table.
        self.state = virtual.BrokerState()
        self._troubled = False

    @property
    def default_connection_params(self) -> dict[str, Any]:
        return {}  # there is no host to connect to

    def register_with_event_loop(self, connection: Any, loop: Any) -> None:
        """Let the worker's `loop` look for messages."""
        loop.call_repeatedly(self.polling_interval, self._take_messages)

    def _take_messages(self) -> None:
        """Deliver what waits, as far as the worker wants it."""
        cycle: Any = self.cycle
        try:
            while True:
                cycle.get(self._deliver)
        except Empty:
            self._troubled = False
        except OSError as error:
            if not self._troubled:
                log.warning("The broker's folder cannot be read (%s); trying again.", error)
            self._troubled = True

    def drain_events(self, connection: Any, timeout: float | None = None, **options: Any) -> None:
        """As of any transport, but it waits a short time at most: a worker looks for a stop only in between."""
        patience = min(timeout or PATIENCE_SECONDS, PATIENCE_SECONDS)
        super().drain_events(connection, timeout=patience, **options)


def _private(folder: Path) -> Path:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _discard_leftovers(folder: Path) -> None:
    for leftover in folder.glob(".*.msg"):
        try:
            if time.time() - leftover.stat().st_mtime > LEFTOVER_SECONDS:
                leftover.unlink()
        except FileNotFoundError:
            continue
