"""Where archives live, and the signed links they are fetched by.

A job's archive is written aside as `<job>-<token>.part` and published by one rename to `<job>-<token>.zip`; what
an encoder keeps meanwhile is in a folder `<job>-<token>.spool`. The token is that of the lease, so two workers that
believe they hold one job never touch each other's files.
"""

from __future__ import annotations

import os
import re
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from django.conf import settings
from django.core.signing import BadSignature, SignatureExpired, TimestampSigner
from django.utils.text import get_valid_filename

_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_KEY = re.compile(rf"({_UUID})-({_UUID})\.(?:part|zip|spool|fragment)")


class LinkExpired(Exception):
    """The link was good once."""


class LinkInvalid(Exception):
    """The link was never given out, or not to this user."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file (or spool folder) that was made for one attempt at one job."""

    path: Path
    job_id: uuid.UUID
    token: uuid.UUID

    @property
    def key(self) -> str:
        return self.path.name


def part_path(job_id: uuid.UUID, token: uuid.UUID) -> Path:
    """Where the archive is written aside."""
    folder = Path(settings.ARCHIVE_DIR)
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{job_id}-{token}.part"


def spool_path(job_id: uuid.UUID, token: uuid.UUID) -> Path:
    """A folder for what an encoder keeps while it runs."""
    folder = Path(settings.SPOOL_DIR) / f"{job_id}-{token}.spool"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def publish(part: Path) -> str:
    """Make the whole, checked file at `part` durable under its key, and return the key."""
    with part.open("rb") as file:
        os.fsync(file.fileno())
    published = part.with_suffix(".zip")
    part.rename(published)
    folder = os.open(part.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return published.name


def keep_fragment(part: Path) -> str:
    """Put the whole fragment at `part` where every worker finds it under its key, and return the key."""
    kept = part.with_suffix(".fragment")
    part.rename(kept)
    return kept.name


def open_fragment(key: str) -> BinaryIO:
    """The fragment's bytes. Raises `OSError` where they are not there."""
    return (Path(settings.ARCHIVE_DIR) / key).open("rb")


def open_archive(key: str, *, size: int) -> BinaryIO:
    """The archive's bytes. Raises `OSError` where they are not there, or not `size` of them."""
    path = Path(settings.ARCHIVE_DIR) / key
    file = path.open("rb")
    found = os.fstat(file.fileno()).st_size
    if found != size:
        file.close()
        raise OSError(f"{path} has {found} bytes instead of {size}.")
    return file


def delete(key: str) -> None:
    """Remove the file, if it is there."""
    (Path(settings.ARCHIVE_DIR) / key).unlink(missing_ok=True)


def files() -> Iterator[StoredFile]:
    """Every file and spool folder that carries a job's name, published or not."""
    for folder in (Path(settings.ARCHIVE_DIR), Path(settings.SPOOL_DIR)):
        entries = sorted(folder.iterdir()) if folder.is_dir() else []
        for entry in entries:
            if match := _KEY.fullmatch(entry.name):
                yield StoredFile(entry, uuid.UUID(match[1]), uuid.UUID(match[2]))


def remove(file: StoredFile) -> None:
    """Remove a file or a spool folder, if it is there."""
    if file.path.is_dir():
        shutil.rmtree(file.path, ignore_errors=True)
    else:
        file.path.unlink(missing_ok=True)


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
        raise LinkExpired("This download link has expired.") from error
    except BadSignature as error:
        raise LinkInvalid("This download link is not valid.") from error


def _signer() -> TimestampSigner:
    return TimestampSigner(salt="vi-portal.exports.download")
