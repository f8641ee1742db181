"""Byte ranges for downloads: one file, or the part of it that was asked for, without reading it into memory.

Follows RFC 9110, sections 13 (conditions) and 14 (ranges), for one range at a time: several ranges, and ranges
that cannot be read, are answered with the whole file, as the RFC allows.
"""

from __future__ import annotations

import base64
import re
from typing import BinaryIO

from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseBase
from django.utils.http import content_disposition_header

BLOCK_SIZE = 256 * 1024

_RANGE = re.compile(r"bytes=\s*([0-9]{0,19})-([0-9]{0,19})\s*", re.ASCII | re.IGNORECASE)
_TAG = re.compile(r'(W/)?("[^"]*")')


class Unsatisfiable(Exception):
    """The range lies beyond the end of the file."""


class FileSlice:
    """A part of an open binary file: `read` stops at its end.

    `seek` and `tell` speak in positions of the whole file, and `fileno` is that of the file, so a WSGI server may
    send the part with sendfile.
    """

    def __init__(self, file: BinaryIO, *, start: int, stop: int) -> None:
        self._file = file
        self._stop = stop
        file.seek(start)

    def read(self, size: int = -1) -> bytes:
        left = max(self._stop - self._file.tell(), 0)
        return self._file.read(left if size < 0 else min(size, left))

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def fileno(self) -> int:
        return self._file.fileno()

    def close(self) -> None:
        self._file.close()


class RangedFileResponse(FileResponse):
    """A `FileSlice` as the body. Its headers are set by `ranged_response`, not guessed from the file."""

    block_size = BLOCK_SIZE

    def set_headers(self, filelike: object) -> None:
        pass


def ranged_response(
    request: HttpRequest, file: BinaryIO, *, size: int, sha256: str, filename: str, content_type: str
) -> HttpResponseBase:
    """The answer to a GET or HEAD of `file`, which is `size` bytes long with the digest `sha256` (in hex).

    200, 206, 304, 412 or 416, as the conditions and the range of `request` ask. The file is closed with the response.
    """
    tag = f'"{sha256}"'
    headers = {
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-transform",
        "ETag": tag,
    }
    described = headers | {
        "Content-Disposition": str(content_disposition_header(True, filename)),
        "Content-Type": content_type,
        "Repr-Digest": f"sha-256=:{base64.b64encode(bytes.fromhex(sha256)).decode()}:",
        "X-Checksum-SHA256": sha256,
    }
    response: HttpResponseBase
    if (status := _condition_status(request, tag)) is not None:
        response = HttpResponse(status=status, headers=headers)
        del response["Content-Type"]
    elif request.method == "HEAD":
        response = HttpResponse(headers=described | {"Content-Length": str(size)})
    else:
        try:
            part = _requested_range(request, tag, size)
        except Unsatisfiable:
            response = HttpResponse(status=416, headers=headers | {"Content-Range": f"bytes */{size}"})
            del response["Content-Type"]
        else:
            return _body(file, part, size, described)
    file.close()
    return response


def names_tag(request: HttpRequest, sha256: str) -> bool:
    """Whether a condition of `request` names the tag that `ranged_response` gives a file of this digest."""
    return any(f'"{sha256}"' in request.headers.get(name, "") for name in ("If-Match", "If-None-Match", "If-Range"))


def _body(file: BinaryIO, part: tuple[int, int] | None, size: int, headers: dict[str, str]) -> RangedFileResponse:
    start, stop = part or (0, size)
    headers = headers | {"Content-Length": str(stop - start)}
    if part is not None:
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    return RangedFileResponse(
        FileSlice(file, start=start, stop=stop), status=200 if part is None else 206, headers=headers
    )


def _condition_status(request: HttpRequest, tag: str) -> int | None:
    """412 or 304, where `If-Match` or `If-None-Match` asks for it."""
    match, none_match = request.headers.get("If-Match"), request.headers.get("If-None-Match")
    if match is not None and match.strip() != "*" and tag not in _strong_tags(match):
        return 412
    if none_match is not None and (none_match.strip() == "*" or tag in _all_tags(none_match)):
        return 304
    return None


def _requested_range(request: HttpRequest, tag: str, size: int) -> tuple[int, int] | None:
    """The half-open range asked for; None for the whole file. Raises `Unsatisfiable`."""
    match = _RANGE.fullmatch(request.headers.get("Range", ""))
    if match is None or request.headers.get("If-Range", tag).strip() != tag:
        return None
    first, last = match.groups()
    if not first and not last:
        return None
    if not first:
        start, stop = max(size - int(last), 0), size
    else:
        start, stop = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < start:
            return None
    if start >= stop:
        raise Unsatisfiable
    return start, stop


def _strong_tags(header: str) -> list[str]:
    return [tag for weak, tag in _TAG.findall(header) if not weak]


def _all_tags(header: str) -> list[str]:
    return [tag for _, tag in _TAG.findall(header)]
