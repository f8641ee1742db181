"""Images on their way in: identified by decoding, measured, stored byte for byte, and pictured small once.

The stored bytes live at `<organization>/<dataset>/<uid><extension>`, the thumbnail at the same key under
`thumbnails/`. What an image is, its decoder says; the file name is never believed.
"""

from __future__ import annotations

import hashlib
import io
import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO, TypeAlias, cast

from django.core.files.base import ContentFile, File
from django.core.files.storage import default_storage
from isal import isal_zlib
from PIL import Image, UnidentifiedImageError

from datasets import names
from datasets.models import Asset, Dataset, ImageFacts

MAX_PIXELS = 200_000_000
THUMBNAIL_SIDE = 320
#: What may hold an image, as far as a name can tell; the decoder has the last word.
EXTENSIONS = frozenset(
    {".avif", ".bmp", ".gif", ".heic", ".heif", ".j2k", ".jfif", ".jp2", ".jpeg", ".jpg"}
    | {".png", ".tif", ".tiff", ".webp"}
)

_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "JPEG2000")
_CHUNK = 1024 * 1024
_EXIF_ORIENTATION = 0x0112

Source: TypeAlias = "IO[bytes] | File[bytes]"

# Pillow's own limit only warns up to twice this number; `_decode` refuses.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS


class ImageRefused(ValueError):
    """The file is not stored; the message is a sentence that names it and says why."""


class NotAnImage(ImageRefused):
    """No decoder recognizes the bytes."""


class ImageTooLarge(ImageRefused):
    """The image has more than `MAX_PIXELS` pixels."""


@dataclass(frozen=True, slots=True)
class _Picture:
    """What decoding found. `thumbnail` is a JPEG, None when the pixels cannot be decoded."""

    width: int
    height: int
    mime_type: str
    exif_orientation: int
    flaw: str
    thumbnail: bytes | None


def store_image(file: Source, *, dataset: Dataset, uid: str, filename: str) -> ImageFacts:
    """Store the bytes of the seekable `file` as they are, make the thumbnail, and return the facts.

    `width` and `height` are px as the decoder sees them; EXIF orientation is recorded, not applied. An image that
    cannot be decoded to its end is kept, and `flaw` says so. Raises `NotAnImage` or `ImageTooLarge`, and then
    nothing is stored.
    """
    picture = _decode(file, filename)
    reader = _Measuring(file)
    extension = names.split_extension(filename.lower())[1]
    if extension not in EXTENSIONS:
        extension = "." + picture.mime_type.removeprefix("image/")
    key = default_storage.save(
        f"{dataset.organization_id}/{dataset.pk}/{uid}{extension}", File(cast(IO[bytes], reader))
    )
    if picture.thumbnail is not None:
        _save_exactly(thumbnail_key(key), picture.thumbnail)
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
    default_storage.delete(key)
    default_storage.delete(thumbnail_key(key))


def sha256_of(file: Source) -> str:
    """The SHA-256 of all bytes of `file`, in hexadecimal."""
    file.seek(0)
    digest = hashlib.sha256()
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
    return digest.hexdigest()


def thumbnail_key(key: str) -> str:
    """Where the thumbnail of the image at `key` is stored."""
    return str(PurePosixPath("thumbnails", key).with_suffix(".jpg"))


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
            picture = _decode(file, asset.filename)
    except (OSError, ImageRefused):
        return None
    if picture.thumbnail is None:
        return None
    _save_exactly(key, picture.thumbnail)
    return key


def _decode(file: Source, filename: str) -> _Picture:
    Image.init()
    file.seek(0)
    try:
        image = Image.open(file, formats=_FORMATS)
    except Image.DecompressionBombError as error:
        raise _too_large(filename) from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise NotAnImage(
            f"“{filename}” is not an image that can be read. Use JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF or JPEG 2000."
        ) from error
    with image:
        width, height = image.size
        if width * height > MAX_PIXELS:
            raise _too_large(filename)
        thumbnail, flaw = None, ""
        try:
            thumbnail = _thumbnail(image)
        except Exception as error:  # Damaged bytes make decoders raise anything at all.
            flaw = _flaw(error)
        # Only now, for asking a PNG for its EXIF decodes it, and a second decoding hides what failed in the first.
        orientation = _orientation(image)
        return _Picture(width, height, _mime_type(image), orientation, flaw, thumbnail)


def _too_large(filename: str) -> ImageTooLarge:
    return ImageTooLarge(f"“{filename}” has more than {MAX_PIXELS // 10**6} million pixels. Scale it down.")


def _mime_type(image: Image.Image) -> str:
    if image.format == "MPO":  # A JPEG with more pictures behind the first.
        return "image/jpeg"
    return Image.MIME.get(image.format or "", "application/octet-stream")


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 where there is none or it makes no sense."""
    try:
        value = image.getexif().get(_EXIF_ORIENTATION, 1)
    except Exception:  # A broken EXIF block is no reason to refuse the pixels.
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _flaw(error: Exception) -> str:
    if re.search("truncated|unexpected end|not enough", str(error), re.IGNORECASE):
        return "The file ends too early."
    return "The pixels are damaged and cannot be decoded."


def _thumbnail(image: Image.Image) -> bytes:
    """`image` decoded to its end (JPEG at a reduced scale, which is faster) and fitted into the square."""
    image.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    buffer = io.BytesIO()
    _as_rgb(image).save(buffer, "JPEG", quality=82)
    return buffer.getvalue()


def _as_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits a pixel would be clipped to white.
        return image.convert("I").point(lambda value: value * (1 / 256)).convert("RGB")
    if not image.has_transparency_data:
        return image.convert("RGB")
    opaque = Image.new("RGBA", image.size, "white")
    opaque.alpha_composite(image.convert("RGBA"))
    return opaque.convert("RGB")


def _save_exactly(key: str, content: bytes) -> None:
    """Store `content` at `key`; where somebody else just did, theirs stays."""
    saved = default_storage.save(key, ContentFile(content))
    if saved != key:
        default_storage.delete(saved)


class _Measuring(io.RawIOBase):
    """A file that measures what is read from it, so that storing reads the bytes once."""

    def __init__(self, file: Source) -> None:
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
