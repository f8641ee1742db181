"""The store of a team that keeps its files in a bucket: a server, and a way to it that can be made to fail."""

from __future__ import annotations

import os
import signal
import socket
import sys
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from tests.services.servers import Server
from tests.services.store import Bucket, Way, client_of

_BUCKET, _PREFIX = "portal", "team"


class Store(Server):
    """A moto server, which keeps everything in memory, and what the portal has there, seen past its way."""

    package = "python3-moto"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.way = Way(self.port)

    @property
    def url(self) -> str:
        return self.way.address

    @property
    def environment(self) -> dict[str, str]:
        """What the portal is told of it."""
        return {
            "S3_BUCKET": _BUCKET,
            "S3_PREFIX": _PREFIX,
            "S3_ENDPOINT": self.url,
            "S3_ACCESS_KEY_ID": "faults",
            "S3_SECRET_ACCESS_KEY": "faults",
            "S3_ADDRESSING": "path",
            "S3_SWEEP_SECONDS": "0.3",
        }

    def launch(self) -> None:
        self.run(sys.executable, "-m", "moto.server", "--port", str(self.port), S3_UPLOAD_PART_MIN_SIZE="1000")

    def answers(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False

    def resume(self) -> None:
        """After `pause`."""
        for process in self._processes:
            os.killpg(process.pid, signal.SIGCONT)

    @cached_property
    def _bucket(self) -> Bucket:
        return Bucket(_BUCKET, client_of(self.port))

    def make_bucket(self) -> None:
        assert self._bucket.keys() == []

    def archives(self) -> list[str]:
        """The names of the archives that can be seen there, and of whatever is beside them."""
        return [key.rpartition("/")[2] for key in self._bucket.keys(f"{_PREFIX}/exports/")]

    def unfinished(self) -> list[str]:
        """The names of what is being uploaded in parts."""
        return [key.rpartition("/")[2] for key in self._bucket.unfinished()]

    def read(self, archive: str) -> bytes:
        return self._bucket.read(f"{_PREFIX}/exports/{archive}")

    def is_healthy(self) -> None:
        """From now on nothing befalls a request."""
        self.way.answer_well()
        self.way.asked.clear()
