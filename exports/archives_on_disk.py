"""Archives in a folder of this machine, or of a disk that all machines share: published by one rename."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO

from django.conf import settings

from exports.job_files import JobFile


class DiskArchives:
    """The folder ARCHIVE_DIR."""

    def publish(self, part: Path, sent: Callable[[int], None]) -> str:
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

    def open(self, key: str, size: int) -> BinaryIO:
        path = self._path(key)
        file = path.open("rb")
        found = os.fstat(file.fileno()).st_size
        if found != size:
            file.close()
            raise OSError(f"{path} has {found} bytes instead of {size}.")
        return file

    def require_whole(self, key: str, size: int) -> None:
        self.open(key, size).close()

    def link(self, key: str, filename: str) -> str:
        return ""

    def delete(self, key: str) -> None:
        self._path(key).unlink(missing_ok=True)

    def keep_fragment(self, part: Path, sent: Callable[[int], None]) -> str:
        kept = part.with_suffix(".fragment")
        part.rename(kept)
        return kept.name

    def open_fragment(self, key: str) -> BinaryIO:
        return self._path(key).open("rb")

    def _path(self, key: str) -> Path:
        return Path(settings.ARCHIVE_DIR) / key


def files() -> Iterator[JobFile]:
    """Every file and spool folder on this machine that carries a job's name, published or not."""
    for folder in (Path(settings.ARCHIVE_DIR), Path(settings.SPOOL_DIR)):
        entries = sorted(folder.iterdir()) if folder.is_dir() else []
        for entry in entries:
            if file := JobFile.named(entry.name, remove=partial(_remove, entry)):
                yield file


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
