"""What an image file is, as its decoder sees it: size, kind, whether it is whole, and a small picture of it.

The file name is never believed. No Django.
"""

from __future__ import annotations

import io
import re
import warnings
from dataclasses import dataclass
from typing import IO

from PIL import Image, UnidentifiedImageError

from datasets.image_types import TYPES

MAX_PIXELS = 200_000_000
THUMBNAIL_SIDE = 320

_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "JPEG2000")
#: What an image may turn out to be; HEIC and HEIF cannot be read here.
KNOWN_TYPES = frozenset(TYPES.values()) - {"image/heic", "image/heif"}
_EXIF_ORIENTATION = 0x0112

# Pillow's own limit only warns up to twice this number; `decode` refuses, and need not be warned.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


class ImageRefused(ValueError):
    """The file is not taken; the message is a sentence that names it and says why."""


class NotAnImage(ImageRefused):
    """No decoder recognizes the bytes."""


class ImageTooLarge(ImageRefused):
    """The image has more than `MAX_PIXELS` pixels."""


@dataclass(frozen=True, slots=True)
class Picture:
    """What decoding found: `width` and `height` in px, EXIF orientation not applied; why the pixels cannot be
    decoded, if so; and otherwise a thumbnail, a JPEG of at most `THUMBNAIL_SIDE` px a side.
    """

    width: int
    height: int
    mime_type: str
    exif_orientation: int
    flaw: str
    thumbnail: bytes | None


def decode(file: IO[bytes], filename: str) -> Picture:
    """Decode the seekable `file` to its end. Raises `NotAnImage` or `ImageTooLarge`, naming `filename`."""
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
        return Picture(width, height, _mime_type(image), orientation, flaw, thumbnail)


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
