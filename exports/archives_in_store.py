"""Archives on an S3-compatible store: published by an upload that shows only when it is whole and was compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from django.conf import settings
from django.utils.http import content_disposition_header

from exports.job_files import JobFile
from vi_portal.s3 import is_due

if TYPE_CHECKING:
    from vi_portal.s3.joining import Joining
    from vi_portal.s3.store import ObjectStore

_TYPE = "application/zip"


@dataclass(frozen=True, slots=True)
class StoreArchives:
    """The objects of `store`. Every method raises `StoreFailed` where it cannot be asked."""

    store: ObjectStore

    def publish(self, part: Path, sent: Callable[[int], None]) -> str:
        key = part.with_suffix(".zip").name
        with part.open("rb") as file:
            self.store.upload(key, file, size=part.stat().st_size, compare=True, sent=sent)
        part.unlink()
        return key

    def open(self, key: str, size: int) -> BinaryIO:
        self.require_whole(key, size)
        return cast(BinaryIO, self.store.open_part(key, size=size))

    def require_whole(self, key: str, size: int) -> None:
        found = self.store.size(key)
        if found != size:
            raise OSError(f"The object {key} has {found} bytes instead of {size}.")

    def link(self, key: str, filename: str) -> str:
        if settings.S3_DOWNLOADS != "redirect":
            return ""
        named = str(content_disposition_header(True, filename))
        return self.store.link(key, disposition=named, content_type=_TYPE, seconds=settings.S3_LINK_SECONDS)

    def delete(self, key: str) -> None:
        self.store.delete(key)

    def keep_fragment(self, part: Path, sent: Callable[[int], None]) -> str:
        key = part.with_suffix(".fragment").name
        with part.open("rb") as file:
            self.store.upload(key, file, size=part.stat().st_size, sent=sent)
        part.unlink()
        return key

    def open_fragment(self, key: str) -> BinaryIO:
        """Of which little will be read: the store has the rest copied."""
        return cast(BinaryIO, self.store.open_part(key, size=self.store.size(key)))

    def open_whole(self, key: str) -> BinaryIO:
        """The archive, to be read from the start to the end. Raises `FileNotFoundError`."""
        return cast(BinaryIO, self.store.open(key))

    def join(self, key: str) -> Joining:
        """The archive in the making, put together from fragments."""
        return self.store.join(key)


def files(store: ObjectStore) -> Iterator[JobFile]:
    """Every archive and unfinished upload on the store that carries a job's name; none before S3_SWEEP_SECONDS have
    passed since this process last searched it."""
    if not is_due(store):
        return
    for upload in store.unfinished_uploads():
        if file := JobFile.named(upload.name, remove=partial(store.abort, upload), unfinished=True):
            yield file
    for found in store.listing():
        if file := JobFile.named(found.name, remove=partial(store.delete, found.name)):
            yield file
