"""The body of an upload, written to a file piece by piece, measured on the way. Memory stays within one piece."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO

import google_crc32c
from django.conf import settings
from django.http import HttpRequest, UnreadablePostError

_PIECE = 256 * 1024
_SIGN_OF_LIFE_SECONDS = 5.0


class BodyRefused(Exception):
    """The body is not what was announced: an HTTP status, and a sentence."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class WrongSize(BodyRefused):
    """The body is too large, or not as large as was announced."""


@dataclass(frozen=True, slots=True)
class Received:
    """`size` in bytes; `crc32c` unsigned (RFC 3720, appendix B.4)."""

    size: int
    crc32c: int


def receive(
    request: HttpRequest, file: IO[bytes], *, size: int, name: str, heard: Callable[[], None] = lambda: None
) -> Received:
    """Write the body of `request`, which must have `size` bytes, into `file`. `heard` is called now and then.

    Raises `BodyRefused`: 411 without a length, 400 for a broken connection; and `WrongSize`: 413 beyond
    UPLOAD_MAX_MB, 400 for another size than announced.
    """
    length = _length(request)
    if length > settings.UPLOAD_MAX_MB * 2**20:
        raise WrongSize(413, f"“{name}” is larger than {settings.UPLOAD_MAX_MB} MiB, the most this portal takes.")
    if length != size:
        raise WrongSize(400, f"“{name}” was announced with {size} bytes, but {length} were sent. Send the file meant.")
    received, crc, told_at = 0, 0, time.monotonic()
    try:
        while piece := request.read(min(_PIECE, length - received)):
            file.write(piece)
            received += len(piece)
            crc = google_crc32c.extend(crc, piece)
            if time.monotonic() - told_at > _SIGN_OF_LIFE_SECONDS:
                heard()
                told_at = time.monotonic()
    except UnreadablePostError as error:
        raise BodyRefused(400, f"The connection broke while “{name}” was being sent. Send it again.") from error
    if received != length:
        raise BodyRefused(400, f"Only {received} of the {length} bytes of “{name}” arrived. Send it again.")
    return Received(received, crc)


def signed(crc32c: int) -> int:
    """A CRC32C as the signed 32-bit integer that the client's asset uploads carry."""
    return crc32c - 2**32 if crc32c >= 2**31 else crc32c


def _length(request: HttpRequest) -> int:
    text = request.META.get("CONTENT_LENGTH") or ""
    if not text.isascii() or not text.isdigit():
        raise BodyRefused(411, "Send the file with its length: the Content-Length header is missing.")
    return int(text)
