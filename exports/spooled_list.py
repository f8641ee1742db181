"""A list for a JSON file, as long as it may be: it is kept on disk. No Django."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import msgspec

_json = msgspec.json.Encoder()
_raw_values = msgspec.json.Decoder(list[msgspec.Raw])


class SpooledList:
    """A list of JSON values that is kept on disk once it is long."""

    def __init__(self, folder: Path) -> None:
        self._spool: IO[bytes] = tempfile.SpooledTemporaryFile(64 * 1024, "w+b", dir=str(folder))
        self.count = 0

    def append(self, value: Any) -> None:
        self._spool.write((b",\n  " if self.count else b"\n  ") + _json.encode(value))
        self.count += 1

    def extend(self, text: bytes) -> None:
        """Append every value of another list's `chunks`."""
        for value in _raw_values.decode(text):
            self.append(value)

    def chunks(self) -> Iterator[bytes]:
        """The whole list as JSON."""
        self._spool.seek(0)
        yield b"["
        while block := self._spool.read(1024 * 1024):
            yield block
        yield b"\n ]" if self.count else b"]"

    def close(self) -> None:
        self._spool.close()
