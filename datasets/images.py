"""Images on their way in: decoded, measured, stored byte for byte, and pictured small once.

The stored bytes live at `<organization>/<dataset>/<uid><extension>`, the thumbnail at the same key under
`thumbnails/`.
"""

from __future__ import annotations

import hashlib
import io
import logging
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import IO, cast

from django.core.files.base import ContentFile, File
from django.core.files.storage import default_storage
from isal import isal_zlib

from datasets import names
from datasets.decoding import ImageRefused, decode
from datasets.image_types import EXTENSIONS
from datasets.models import Asset, Dataset, ImageFacts
from vi_portal.s3 import store_of
from vi_portal.s3.failures import StoreFailed

log = logging.getLogger(__name__)

_CHUNK = 1024 * 1024


def store_image(file: IO[bytes], *, dataset: Dataset, uid: str, filename: str) -> ImageFacts:
    """Store the bytes of the seekable `file` as they are, make the thumbnail, and return the facts.

    `width` and `height` are px as the decoder sees them; EXIF orientation is recorded, not applied. An image that
    cannot be decoded to its end is kept, and `flaw` says so. Raises `NotAnImage` or `ImageTooLarge`, and then
    nothing is stored.
    """
    picture = decode(file, filename)
    reader = _Measuring(file)
    extension = names.split_extension(filename.lower())[1]
    if extension not in EXTENSIONS:
        extension = "." + picture.mime_type.removeprefix("image/")
    key = f"{dataset.organization_id}/{dataset.pk}/{uid}{extension}"
    try:
        key = default_storage.save(key, File(cast(IO[bytes], reader)))
        if picture.thumbnail is not None:
            _save_exactly(thumbnail_key(key), picture.thumbnail)
    except BaseException:  # A full disk leaves files cut short.
        discard_image(key)
        raise
    return ImageFacts(
        width=picture.width,
        height=picture.height,
        file=key,
        size=reader.size,
        sha256=reader.sha256.hexdigest(),
        crc32=reader.crc32,
        mime_type=picture.mime_type,
        exif_orientation=picture.exif_orientation,
        flaw=picture.flaw,
    )


def discard_image(key: str) -> None:
    """Delete the stored bytes at `key` and their thumbnail, where they exist."""
    discard_images([key])


def discard_images(keys: Iterable[str]) -> None:
    """The same for each of `keys`. What a store that fails keeps, it keeps until the dataset is deleted."""
    names = [name for key in keys for name in (key, thumbnail_key(key))]
    if (store := store_of("default")) is None:
        for name in names:
            default_storage.delete(name)
        return
    try:
        store.delete_all(names)
    except StoreFailed as error:
        log.warning("Some of %d deleted images and thumbnails stay in the store: %s", len(names), error)


def sha256_of(file: IO[bytes]) -> str:
    """The SHA-256 of all bytes of `file`, in hexadecimal."""
    file.seek(0)
    digest = hashlib.sha256()
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
    return digest.hexdigest()


def thumbnail_key(key: str) -> str:
    """Where the thumbnail of the image at `key` is stored."""
    return str(PurePosixPath("thumbnails", key).with_suffix(".jpg"))


def open_thumbnail(asset: Asset) -> IO[bytes]:
    """The asset's thumbnail, made now if it is missing. Raises `StoreFailed`, and `OSError` where there can be none."""
    if asset.file and not asset.flaw:
        # Asked for whether it is there, a store would be asked twice.
        try:
            return default_storage.open(thumbnail_key(asset.file))
        except FileNotFoundError:
            if key := ensure_thumbnail(asset):
                return default_storage.open(key)
    raise FileNotFoundError(f"There is no thumbnail of {asset.filename}.")


def ensure_thumbnail(asset: Asset) -> str | None:
    """The storage key of the asset's thumbnail, a JPEG of at most 320 px a side; made now if it is missing.

    None when there is no image, or none that can be decoded.
    """
    if not asset.file or asset.flaw:
        return None
    key = thumbnail_key(asset.file)
    if default_storage.exists(key):
        return key
    try:
        with asset.open_image() as file:
            picture = decode(file, asset.filename)
    except StoreFailed:
        raise
    except (OSError, ImageRefused):
        return None
    if picture.thumbnail is None:
        return None
    _save_exactly(key, picture.thumbnail)
    return key


def _save_exactly(key: str, content: bytes) -> None:
    """Store `content` at `key`; where somebody else just did, theirs stays."""
    saved = default_storage.save(key, ContentFile(content))
    if saved != key:
        default_storage.delete(saved)


class _Measuring(io.RawIOBase):
    """A file that measures what is read from it, so that storing reads the bytes once."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._restart()

    def _restart(self) -> None:
        self.size = 0
        self.sha256 = hashlib.sha256()
        self.crc32 = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._file.tell()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if (offset, whence) == (0, io.SEEK_SET):
            self._restart()
        return self._file.seek(offset, whence)

    def read(self, size: int | None = -1) -> bytes:
        chunk = self._file.read(-1 if size is None else size)
        self.size += len(chunk)
        self.sha256.update(chunk)
        self.crc32 = isal_zlib.crc32(chunk, self.crc32)
        return chunk
