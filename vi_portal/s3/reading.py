"""Reading an object as a file: streamed, in ranges where it is not read from the start, and resumed where it breaks."""

from __future__ import annotations

import io
from typing import Any

from botocore.exceptions import BotoCoreError, IncompleteReadError

from vi_portal.s3.answers import failures_told
from vi_portal.s3.failures import StoreFailed

#: So much is read over rather than asking anew further on.
_SKIPPED = 256 * 1024
#: The first piece asked for of an object that is read in pieces; each next one is twice as long, up to the last.
_FIRST_PIECE, _LAST_PIECE = 256 * 1024, 16 * 1024 * 1024
_TIMES = 4


class ObjectReader(io.RawIOBase):
    """The bytes of one object, which is `size` bytes long, or as long as it turns out to be.

    Without `size` it is asked for at once and as a whole, so that `FileNotFoundError` comes where a file's would.
    With it, pieces are asked for as they are read: for who wants but a part. Memory stays within a network buffer.
    Reading raises `StoreFailed` where the store fails repeatedly, or the object became another.
    """

    def __init__(
        self, client: Any, *, bucket: str, key: str, size: int | None = None, first_piece: int = _FIRST_PIECE
    ) -> None:
        self._client = client
        self._object = {"Bucket": bucket, "Key": key}
        self._position = self._at = 0
        self._until = 0
        self._piece = 0 if size is None else first_piece
        self._body: Any = None
        self._tag = ""
        self.size = size or 0
        if size is None:
            self.size = self._ask()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}[whence]
        if base + offset < 0:
            raise ValueError("A position before the start was asked for.")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: Any) -> int:
        wanted = min(len(buffer), self.size - self._position)
        if wanted <= 0:
            return 0
        for left in reversed(range(_TIMES)):
            self._come_near()
            try:
                return self._read(memoryview(buffer)[:wanted])
            except BotoCoreError as error:  # broken on the way; what cannot be asked for at all is not asked for again
                self._drop()
                if not left:
                    raise StoreFailed("The file store breaks off while it sends. Retry.") from error
        raise AssertionError("unreachable")

    def close(self) -> None:
        if not self.closed:
            self._drop()
        super().close()

    def _come_near(self) -> None:
        """Have an answer that comes by the present position, soon."""
        comes = self._at <= self._position < min(self._until, self._at + _SKIPPED)
        if self._body is None or not comes:
            self._drop()
            self._ask()

    def _read(self, buffer: memoryview) -> int:
        while self._at < self._position:
            self._next(self._position - self._at)
        part = self._next(min(len(buffer), self._until - self._at))
        buffer[: len(part)] = part
        self._position = self._at
        return len(part)

    def _next(self, size: int) -> bytes:
        """The next bytes of the answer, at most `size` of them and at least one. Raises `BotoCoreError`."""
        part: bytes = self._body.read(size)
        if not part:
            raise IncompleteReadError(actual_bytes=self._at, expected_bytes=self._until)
        self._at += len(part)
        return part

    def _ask(self) -> int:
        """Ask for the object from the present position on; the number of bytes that will come."""
        wanted: dict[str, str] = {"IfMatch": self._tag} if self._tag else {}
        if self._piece:
            last = min(self._position + self._piece, self.size) - 1
            wanted["Range"] = f"bytes={self._position}-{last}"
            self._piece = min(2 * self._piece, _LAST_PIECE)
        elif self._position:
            wanted["Range"] = f"bytes={self._position}-"
        with failures_told(self._object["Key"]):
            answer = self._client.get_object(**self._object, **wanted)
        self._body, self._tag = answer["Body"], answer.get("ETag", "")
        self._at, coming = self._position, int(answer["ContentLength"])
        self._until = self._at + coming
        return coming

    def _drop(self) -> None:
        if self._body is not None:
            self._body.close()
        self._body = None
