"""Where archives live, on disk or on a store, and the signed links they are fetched by.

A job's archive is written aside as `<job>-<token>.part` and published, as a whole, as `<job>-<token>.zip`; what
an encoder keeps meanwhile is in a folder `<job>-<token>.spool`. The token is that of the lease, so two workers that
believe they hold one job never touch each other's files.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO, Protocol

from django.conf import settings
from django.core.signing import BadSignature, SignatureExpired, TimestampSigner
from django.utils.text import get_valid_filename

from exports import archives_in_store, archives_on_disk, job_files
from exports.archives_in_store import StoreArchives
from exports.job_files import JobFile
from vi_portal.s3 import store_of


class LinkExpired(Exception):
    """The link was good once."""


class LinkInvalid(Exception):
    """The link was never given out, or not to this user."""


class Archives(Protocol):
    """A place for archives: what the functions here promise, done."""

    def publish(self, part: Path, sent: Callable[[int], None]) -> str: ...
    def open(self, key: str, size: int) -> BinaryIO: ...
    def require_whole(self, key: str, size: int) -> None: ...
    def link(self, key: str, filename: str) -> str: ...
    def delete(self, key: str) -> None: ...
    def keep_fragment(self, part: Path, sent: Callable[[int], None]) -> str: ...
    def open_fragment(self, key: str) -> BinaryIO: ...


def part_path(job_id: uuid.UUID, token: uuid.UUID) -> Path:
    """Where the archive is written aside."""
    folder = Path(settings.ARCHIVE_DIR)
    folder.mkdir(parents=True, exist_ok=True)
    return folder / job_files.name(job_id, token, "part")


def spool_path(job_id: uuid.UUID, token: uuid.UUID) -> Path:
    """A folder for what an encoder keeps while it runs."""
    folder = Path(settings.SPOOL_DIR) / job_files.name(job_id, token, "spool")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def files_aside(job_id: uuid.UUID, token: uuid.UUID) -> Iterator[tuple[Path, Path]]:
    """Where one attempt at a job writes aside, and its spool folder, which is made.

    Both are gone when the block ends, before the row is told how: on a full disk it needs the room they took.
    """
    aside, spool = part_path(job_id, token), spool_path(job_id, token)
    try:
        yield aside, spool
    finally:
        aside.unlink(missing_ok=True)
        shutil.rmtree(spool, ignore_errors=True)


def publish(part: Path, *, sent: Callable[[int], None] = lambda size: None) -> str:
    """Make the whole, checked file at `part` durable under its key, and return the key.

    `sent` hears of the bytes that had to be sent somewhere, and may raise; then nothing is there.
    """
    return _archives().publish(part, sent)


def keep_fragment(part: Path, *, sent: Callable[[int], None]) -> str:
    """Put the whole fragment at `part` where every worker finds it under its key, and return the key.

    `sent` hears of the bytes that had to be sent somewhere, and may raise; then nothing is there.
    """
    return _archives().keep_fragment(part, sent)


def open_fragment(key: str) -> BinaryIO:
    """The fragment's bytes. Raises `OSError` where they are not there."""
    return _archives().open_fragment(key)


def joining_store() -> StoreArchives | None:
    """The archives where they are on a store that can put one together from fragments (S3_JOIN); None elsewhere."""
    archives = _archives()
    return archives if isinstance(archives, StoreArchives) and settings.S3_JOIN else None


def open_archive(key: str, *, size: int) -> BinaryIO:
    """The archive's bytes. Raises `OSError` where they are not there, or not `size` of them."""
    return _archives().open(key, size)


def require_whole(key: str, *, size: int) -> None:
    """Raise `OSError` unless all `size` bytes of the archive are there."""
    _archives().require_whole(key, size)


def link(key: str, *, filename: str) -> str:
    """An address where the archive can be fetched without the portal for S3_LINK_SECONDS; empty where there is none."""
    return _archives().link(key, filename)


def delete(key: str) -> None:
    """Remove the archive, if it is there."""
    _archives().delete(key)


def files() -> Iterator[JobFile]:
    """Everything that carries a job's name: archives, published or not, and spool folders of this machine.

    What is on a store is searched every S3_SWEEP_SECONDS only; in between it is left out.
    """
    yield from archives_on_disk.files()
    if (store := store_of("archives")) is not None:
        yield from archives_in_store.files(store)


def _archives() -> Archives:
    store = store_of("archives")
    return archives_on_disk.DiskArchives() if store is None else StoreArchives(store)


def download_name(*, dataset: str, format_key: str, moment: datetime) -> str:
    """`BCCD-ViJsonl-20261122-1746.zip`; the dataset's name may be in any script."""
    stem = get_valid_filename(f"{dataset[:80]}-{format_key}") if dataset.strip(". ") else format_key
    return f"{stem}-{moment:%Y%m%d-%H%M}.zip"


def sign(job_id: uuid.UUID, *, user_id: int) -> str:
    """The signature of a download link: good for this job and this user, for DOWNLOAD_LINK_HOURS."""
    return _signer().sign(f"{job_id}.{user_id}").split(":", 1)[1]


def check_signature(signature: str, *, job_id: uuid.UUID, user_id: int) -> None:
    """Raise `LinkExpired` or `LinkInvalid` unless `signature` was made for this job and this user."""
    try:
        _signer().unsign(f"{job_id}.{user_id}:{signature}", max_age=timedelta(hours=settings.DOWNLOAD_LINK_HOURS))
    except SignatureExpired as error:
        raise LinkExpired("This link has expired.") from error
    except BadSignature as error:
        raise LinkInvalid("This link is not valid.") from error


def _signer() -> TimestampSigner:
    return TimestampSigner(salt="vi-portal.exports.download")
