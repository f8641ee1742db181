"""Writing an object: in one request where it is small, else part by part, and visible only when it is whole.

A store shows nothing of a multipart upload before it is completed. Where anything goes wrong it is aborted; what a
killed program leaves of one is found by the sweep.
"""

from __future__ import annotations

import base64
import hashlib
import logging
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO, Any

from isal import isal_zlib

from vi_portal.s3.answers import failures_told
from vi_portal.s3.failures import StoreFailed

log = logging.getLogger(__name__)

#: The usual size of a part. A store takes at most 10,000, so those of very large objects are larger.
PART_SIZE = 8 * 1024 * 1024
_MOST_PARTS = 9_000
#: So many bytes are on their way at once, in as many parts.
_IN_FLIGHT = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Target:
    """Where an object goes. With `checksums`, the store is told CRC-32s and asked for that of the whole object; for
    stores that do not know them it is told MD5s, which any store compares."""

    client: Any
    bucket: str
    key: str
    content_type: str
    checksums: bool

    @property
    def name(self) -> dict[str, str]:
        return {"Bucket": self.bucket, "Key": self.key}

    def checksum(self, content: bytes) -> dict[str, str]:
        """What the store is told of `content`, to compare it with what arrives."""
        if self.checksums:
            return {"ChecksumCRC32": crc32_text(isal_zlib.crc32(content))}
        return {"ContentMD5": md5_text(content)}


@dataclass(slots=True)
class Sent:
    """What was read and sent so far."""

    size: int = 0
    crc32: int = 0
    parts: list[dict[str, Any]] = field(default_factory=list)

    def add(self, content: bytes) -> None:
        self.size += len(content)
        self.crc32 = isal_zlib.crc32(content, self.crc32)


def crc32_text(crc32: int) -> str:
    """A CRC-32 as stores write it."""
    return base64.b64encode(crc32.to_bytes(4, "big")).decode()


def md5_text(content: bytes) -> str:
    """The MD5 of `content` as stores write it (RFC 1864)."""
    return base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()


def upload(
    target: Target, file: IO[bytes], *, size: int, compare: bool, sent: Callable[[int], None] = lambda size: None
) -> None:
    """Store all of `file`, which is about `size` bytes long. `sent` hears of each piece in this thread, and may raise.

    With `compare`, and always where it went in parts, the store is asked afterwards what it has. Raises
    `StoreFailed`; then, as where `sent` raises, nothing is to be seen at the key.
    """
    part_size = max(PART_SIZE, -(-size // _MOST_PARTS))
    first = _read_fully(file, part_size)
    if len(first) < part_size:
        with failures_told(target.key):
            target.client.put_object(
                **target.name, Body=first, ContentType=target.content_type, **target.checksum(first)
            )
        whole = Sent()
        whole.add(first)
        sent(whole.size)
    else:
        whole = _in_parts(target, file, first, part_size, sent)
        compare = True
    if compare:
        _verify(target, whole)


def _in_parts(target: Target, file: IO[bytes], first: bytes, part_size: int, told: Callable[[int], None]) -> Sent:
    told_once = {"ChecksumAlgorithm": "CRC32", "ChecksumType": "FULL_OBJECT"} if target.checksums else {}
    with failures_told(target.key):
        begun = target.client.create_multipart_upload(**target.name, ContentType=target.content_type, **told_once)
    upload_id, may_be_there = begun["UploadId"], False
    try:
        whole = _send_parts(target, upload_id, file, first, part_size, told)
        finished = {"ChecksumType": "FULL_OBJECT", "ChecksumCRC32": crc32_text(whole.crc32)} if target.checksums else {}
        may_be_there = True  # even where the answer says otherwise, or is lost
        complete(target.client, target.name, upload_id, MultipartUpload={"Parts": whole.parts}, **finished)
    except BaseException:
        abort(target.client, bucket=target.bucket, key=target.key, upload_id=upload_id)
        if may_be_there:
            remove(target.client, target.name)
        raise
    return whole


def _send_parts(
    target: Target, upload_id: str, file: IO[bytes], content: bytes, part_size: int, told: Callable[[int], None]
) -> Sent:
    """Send `content` and the rest of `file`, several parts at a time."""
    whole, on_their_way = Sent(), deque[tuple[int, Future[dict[str, Any]]]]()
    at_once = max(_IN_FLIGHT // part_size, 1)

    def settle() -> None:
        length, future = on_their_way.popleft()
        whole.parts.append(future.result())
        told(length)

    with ThreadPoolExecutor(at_once, thread_name_prefix="upload") as senders:
        try:
            number = 0
            while content:
                number += 1
                whole.add(content)
                on_their_way.append((len(content), senders.submit(_send_part, target, upload_id, number, content)))
                while len(on_their_way) >= at_once:
                    settle()
                content = _read_fully(file, part_size)
            while on_their_way:
                settle()
        except BaseException:
            senders.shutdown(wait=True, cancel_futures=True)
            raise
    return whole


def _send_part(target: Target, upload_id: str, number: int, content: bytes) -> dict[str, Any]:
    checksum = target.checksum(content)
    with failures_told(target.key):
        answer = target.client.upload_part(
            **target.name, UploadId=upload_id, PartNumber=number, Body=content, **checksum
        )
    part = {"PartNumber": number, "ETag": answer["ETag"]}
    return part | checksum if target.checksums else part


def _verify(target: Target, whole: Sent) -> None:
    """Raise `StoreFailed`, and remove the object, unless the store has all that was sent."""
    asked = {"ChecksumMode": "ENABLED"} if target.checksums else {}
    try:
        with failures_told(target.key):
            found = target.client.head_object(**target.name, **asked)
    except FileNotFoundError:
        found = {"ContentLength": -1}
    expected = crc32_text(whole.crc32)
    of_whole = found.get("ChecksumType", "FULL_OBJECT") == "FULL_OBJECT"
    differs = of_whole and found.get("ChecksumCRC32", expected) != expected
    if found["ContentLength"] == whole.size and not differs:
        return
    remove(target.client, target.name)
    raise StoreFailed("The file store does not hold what it was sent, so it was removed again. Retry.")


def complete(client: Any, name: dict[str, str], upload_id: str, **told: Any) -> None:
    """Have the store put the parts together; whether it did is to be asked afterwards.

    An answer may be lost and the request repeated: then it has long been done, and the store knows no such upload.
    """
    with suppress(FileNotFoundError), failures_told(name["Key"]):
        client.complete_multipart_upload(**name, UploadId=upload_id, **told)


def size_of(client: Any, name: dict[str, str]) -> int:
    """How many bytes the object has; -1 where there is none."""
    try:
        with failures_told(name["Key"]):
            return int(client.head_object(**name)["ContentLength"])
    except FileNotFoundError:
        return -1


def abort(client: Any, *, bucket: str, key: str, upload_id: str) -> None:
    """Give up a multipart upload, if it is still under way. Where that fails too, the sweep will find it."""
    try:
        with suppress(FileNotFoundError), failures_told(key):
            client.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload_id)
    except OSError as error:
        log.warning("An unfinished upload to the file store could not be aborted: %s", error)


def remove(client: Any, name: dict[str, str]) -> None:
    """Delete an object that is not as it should be. Where that fails too, the sweep will find it."""
    try:
        with failures_told(name["Key"]):
            client.delete_object(**name)
    except OSError as error:
        log.warning("A spoiled object on the file store could not be removed: %s", error)


def _read_fully(file: IO[bytes], size: int) -> bytes:
    """The next `size` bytes of `file`; fewer only at its end."""
    pieces, left = [], size
    while left and (piece := file.read(left)):
        pieces.append(piece)
        left -= len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
