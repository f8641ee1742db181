"""How a zip file is laid out: what stands before, between and behind the bytes of its members.

From PKWARE's APPNOTE 6.3.10 (sections 4.3.7 local header, 4.3.12 central directory, 4.3.14-16 end records, 4.5.3
Zip64).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace

from isal import isal_zlib

_LOCAL = struct.Struct("<4sHHHHHIIIHH")
CENTRAL = struct.Struct("<4sHHHHHHIIIHHHHHII")
END = struct.Struct("<4sHHHHIIH")
ZIP64_END = struct.Struct("<4sQHHIIQQQQ")
ZIP64_LOCATOR = struct.Struct("<4sIQI")
_ZIP64_SIZES = struct.Struct("<HHQQ")

_VERSION = 45
_MADE_BY_UNIX = 3 << 8 | _VERSION
_UTF8 = 0x800
STORED, DEFLATED = 0, 8
_DOS_TIME, _DOS_DATE = 0, 1 << 5 | 1  # 1980-01-01 00:00, the earliest a zip can say
_REGULAR_FILE = 0o100644 << 16
MAX32, MAX16 = 0xFFFFFFFF, 0xFFFF


@dataclass(frozen=True, slots=True)
class Piece:
    """A member's bytes as they lie in an archive, or a part of them with `more` to come.

    `size` and `crc` are of what went in, `stored` and `stored_crc` of what came of it. Where it is `checked`, the one
    became the other again when it was read back.
    """

    name: str
    compressed: bool
    size: int
    crc: int
    stored: int
    stored_crc: int = 0
    more: bool = False
    sha256: str = ""
    checked: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """What the central directory says of a member; `offset` is where its local header begins."""

    name: str
    method: int
    crc: int
    size: int
    compressed_size: int
    offset: int

    @classmethod
    def of(cls, piece: Piece, *, offset: int) -> Entry:
        """The member that is `piece`, or begins with it."""
        return cls(piece.name, DEFLATED if piece.compressed else STORED, piece.crc, piece.size, piece.stored, offset)

    def with_more(self, piece: Piece) -> Entry:
        """The member once `piece` is added to it."""
        return replace(
            self,
            crc=crc_of_both(self.crc, piece.crc, piece.size),
            size=self.size + piece.size,
            compressed_size=self.compressed_size + piece.stored,
        )


def local_header(entry: Entry) -> bytes:
    """What precedes the bytes of a member. Its length is a matter of the name alone."""
    # Always Zip64, so that a member may turn out to be of any size.
    name, common = entry.name.encode(), (_UTF8, entry.method, _DOS_TIME, _DOS_DATE, entry.crc)
    return (
        _LOCAL.pack(b"PK\3\4", _VERSION, *common, MAX32, MAX32, len(name), _ZIP64_SIZES.size)
        + name
        + _ZIP64_SIZES.pack(1, 16, entry.size, entry.compressed_size)
    )


def central_header(entry: Entry) -> bytes:
    """What the central directory says of a member."""
    name, values = entry.name.encode(), (entry.size, entry.compressed_size, entry.offset)
    large = [value for value in values if value >= MAX32]
    extra = struct.pack(f"<HH{len(large)}Q", 1, 8 * len(large), *large) if large else b""
    size, compressed_size, offset = (min(value, MAX32) for value in values)
    common = (_UTF8, entry.method, _DOS_TIME, _DOS_DATE, entry.crc, compressed_size, size)
    lengths = (len(name), len(extra), 0, 0, 0)
    fixed = CENTRAL.pack(b"PK\1\2", _MADE_BY_UNIX, _VERSION, *common, *lengths, _REGULAR_FILE, offset)
    return fixed + name + extra


def end_records(count: int, size: int, start: int) -> bytes:
    """What follows a central directory of `count` members and `size` bytes that begins at `start`."""
    wide = b""
    if count >= MAX16 or start >= MAX32 or size >= MAX32:
        wide = ZIP64_END.pack(b"PK\6\6", 44, _MADE_BY_UNIX, _VERSION, 0, 0, count, count, size, start)
        wide += ZIP64_LOCATOR.pack(b"PK\6\7", 0, start + size, 1)
    count = min(count, MAX16)
    return wide + END.pack(b"PK\5\6", 0, 0, count, count, min(size, MAX32), min(start, MAX32), 0)


def crc_of_both(first: int, second: int, size: int) -> int:
    """The CRC-32 of two texts, the `second` of them of this `size`."""
    return isal_zlib.crc32_combine(first, second, size)
