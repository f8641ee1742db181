"""An archive in the making: a file of this machine, or what the store puts together from the fragments on it.

Whichever it is, it is checked by reading back what will be downloaded, or what that is made of, as a whole.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from exports import reading_back, storage
from exports.archive import ArchiveWriter
from exports.archives_in_store import StoreArchives
from exports.joined_archive import JoinedArchive
from exports.reading_back import Checked, DamagedArchive

if TYPE_CHECKING:
    from vi_portal.s3.joining import Joining


class Draft(Protocol):
    """What is written by `writer`, and once that is closed, checked and published."""

    @property
    def writer(self) -> ArchiveWriter | JoinedArchive: ...

    @property
    def size(self) -> int:
        """How many bytes there are to check."""

    def check(self, on_bytes: Callable[[int], None]) -> Checked:
        """Read it back, as a whole. Raises `DamagedArchive`."""

    def publish(self, sent: Callable[[int], None]) -> str:
        """Make it durable under its key, and return the key. `sent` hears of bytes that had to be sent, and may raise;
        then nothing is there."""


@contextmanager
def written_aside(path: Path) -> Iterator[Draft]:
    """A draft in the file `path`, which is the caller's to remove."""
    draft = _File(path, ArchiveWriter(path))
    try:
        yield draft
    finally:
        draft.writer.discard()


@contextmanager
def put_together(archives: StoreArchives, key: str, *, spool: Path) -> Iterator[Draft]:
    """A draft on the store, under `key`. Where the block raises before it is published, nothing of it is left there, if
    the store answers."""
    upload = archives.join(key)
    draft = _Joined(archives, key, upload, JoinedArchive(upload, spool))
    try:
        yield draft
    except BaseException:
        upload.discard()
        raise
    finally:
        draft.writer.discard()


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    writer: ArchiveWriter

    @property
    def size(self) -> int:
        return self.path.stat().st_size

    def check(self, on_bytes: Callable[[int], None]) -> Checked:
        with ThreadPoolExecutor(1, "to-disk") as thread:
            on_disk = thread.submit(_bring_to_disk, self.path)  # before it is published: the disk works meanwhile
            try:
                return reading_back.check(self.path, checked=self.writer.checked, on_bytes=on_bytes)
            finally:
                on_disk.result()  # what a full disk did not take may not read back either

    def publish(self, sent: Callable[[int], None]) -> str:
        return storage.publish(self.path, sent=sent)


def _bring_to_disk(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


@dataclass(frozen=True, slots=True)
class _Joined:
    archives: StoreArchives
    key: str
    upload: Joining
    writer: JoinedArchive

    @property
    def size(self) -> int:
        return self.upload.size

    def check(self, on_bytes: Callable[[int], None]) -> Checked:
        with self.archives.open_whole(self.key) as file, self.archives.open(self.key, self.size) as directory:
            checked = reading_back.check_files(file, directory, on_bytes=on_bytes)
        if checked.size != self.size:
            raise DamagedArchive(f"The archive has {checked.size} bytes on the store instead of {self.size}.")
        return checked

    def publish(self, sent: Callable[[int], None]) -> str:
        self.upload.keep()  # it is there since its writer was closed; from here on a row may name it
        return self.key
