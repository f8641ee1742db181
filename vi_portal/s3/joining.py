"""Putting an object together on the store: it copies what it has, and is sent what lies between."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from vi_portal.s3 import uploading
from vi_portal.s3.answers import failures_told
from vi_portal.s3.cutting import Cutter, Given, Part, Stretch
from vi_portal.s3.failures import StoreFailed
from vi_portal.s3.reading import ObjectReader

#: So many parts are on their way at once; of each that is not copied, some megabytes are in memory.
_AT_ONCE = 4


class Joining:
    """An object in the making, visible once `complete` returns, and not before.

    What is copied must stay where it is until then. Every method but `discard` raises `StoreFailed` where the store
    fails.
    """

    def __init__(self, client: Any, *, bucket: str, key: str, content_type: str, key_of: Callable[[str], str]) -> None:
        self._client = client
        self._key_of = key_of
        self._object = {"Bucket": bucket, "Key": key}
        self._cutter = Cutter()
        self._waiting: Part | None = None
        self._hole: Given | None = None
        self._on_their_way = deque[Future[dict[str, Any]]]()
        self._sent: list[dict[str, Any]] = []
        self._may_be_there = False
        self._kept = False
        self.size = 0
        with failures_told(key):
            begun = client.create_multipart_upload(**self._object, ContentType=content_type)
        self._upload_id: str = begun["UploadId"]
        self._senders = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="join")

    def write(self, content: bytes | memoryview) -> None:
        """Go on with `content`."""
        self._add(Given(bytearray(content)))

    def copy(self, name: str, start: int, size: int) -> None:
        """Go on with `size` bytes of the object `name` of the same storage, from `start` on."""
        self._add(Stretch(self._key_of(name), start, size))

    def reserve(self, size: int) -> None:
        """Go on with `size` bytes that `fill` will tell. One such gap may be open at a time."""
        assert self._hole is None
        self._hole = Given(bytearray(size), open=True)
        self._add(self._hole)

    def fill(self, content: bytes) -> None:
        """Tell what was reserved."""
        assert self._hole is not None
        assert len(content) == self._hole.size
        self._hole.content[:] = content
        self._hole.open = False
        self._hole = None
        if self._waiting is not None:
            part, self._waiting = self._waiting, None
            self._send(part)

    def complete(self) -> None:
        """Have the store put all together under the key."""
        assert self._hole is None
        for part in self._cutter.rest():
            self._send(part)
        while self._on_their_way:
            self._settle()
        self._senders.shutdown()
        parts = sorted(self._sent, key=lambda part: part["PartNumber"])
        self._may_be_there = True
        uploading.complete(self._client, self._object, self._upload_id, MultipartUpload={"Parts": parts})
        if uploading.size_of(self._client, self._object) != self.size:
            raise StoreFailed("The file store did not put together what it was told to. Retry.")

    def keep(self) -> None:
        """The object, which is complete, is somebody else's from here on: `discard` does not touch it."""
        self._kept = True

    def discard(self) -> None:
        """Give it up, complete or not, unless it is kept. Where the store fails, the sweep will find what is left."""
        if self._kept:
            return
        self._senders.shutdown(wait=True, cancel_futures=True)
        bucket, key = self._object["Bucket"], self._object["Key"]
        uploading.abort(self._client, bucket=bucket, key=key, upload_id=self._upload_id)
        if self._may_be_there:
            uploading.remove(self._client, self._object)

    def _add(self, piece: Stretch | Given) -> None:
        self.size += piece.size
        for part in self._cutter.add(piece):
            self._send(part)

    def _send(self, part: Part) -> None:
        """Have `part` sent or copied, once it has no gap, and wait where too many are on their way."""
        if part.is_open:
            self._waiting = part
            return
        while len(self._on_their_way) >= 2 * _AT_ONCE:
            self._settle()
        self._on_their_way.append(self._senders.submit(self._bring, part))

    def _settle(self) -> None:
        self._sent.append(self._on_their_way.popleft().result())

    def _bring(self, part: Part) -> dict[str, Any]:
        where = self._object | {"UploadId": self._upload_id, "PartNumber": part.number}
        with failures_told(self._object["Key"]):
            if (stretch := part.copied) is not None:
                source = {"Bucket": self._object["Bucket"], "Key": stretch.name}
                wanted = f"bytes={stretch.start}-{stretch.stop - 1}"
                answer = self._client.upload_part_copy(**where, CopySource=source, CopySourceRange=wanted)
                return {"PartNumber": part.number, "ETag": answer["CopyPartResult"]["ETag"]}
            content = b"".join(self._contents(part))
            # Not CRC-32: a store wants that of every part or of none, and copies tell none.
            answer = self._client.upload_part(**where, Body=content, ContentMD5=uploading.md5_text(content))
            return {"PartNumber": part.number, "ETag": answer["ETag"]}

    def _contents(self, part: Part) -> Iterator[bytes | bytearray]:
        for piece in part.pieces:
            if isinstance(piece, Given):
                yield piece.content
                continue
            bucket = self._object["Bucket"]
            with ObjectReader(
                self._client, bucket=bucket, key=piece.name, size=piece.stop, first_piece=piece.size
            ) as file:
                file.seek(piece.start)
                while block := file.read(1024 * 1024):
                    yield block
