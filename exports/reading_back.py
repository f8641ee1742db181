"""Reading back what was written: every member is inflated and compared, before anybody gets the archive."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO

from isal import isal_zlib
from isal.igzip_lib import IsalError

from exports.records import Chunk
from exports.zip_layout import (
    CENTRAL,
    DEFLATED,
    END,
    MAX16,
    MAX32,
    STORED,
    ZIP64_END,
    ZIP64_LOCATOR,
    Entry,
    Piece,
    local_header,
)

_READ = 1024 * 1024
#: An empty block of DEFLATE, the last of a stream.
_LAST_BLOCK = b"\3\0"


class DamagedArchive(Exception):
    """What was written does not read back."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A whole archive that was read back: its size and SHA-256 on disk, and how many members it has."""

    size: int
    sha256: str
    members: int


def check(
    path: Path,
    *,
    checked: Mapping[str, int] = MappingProxyType({}),
    on_bytes: Callable[[int], None] = lambda count: None,
) -> Checked:
    """Read the whole archive at `path` back: see `check_files`."""
    with path.open("rb") as file, path.open("rb") as directory:
        return check_files(file, directory, checked=checked, on_bytes=on_bytes)


def check_files(
    file: BinaryIO,
    directory: BinaryIO,
    *,
    checked: Mapping[str, int] = MappingProxyType({}),
    on_bytes: Callable[[int], None],
) -> Checked:
    """Read a whole archive back: every member is inflated, and its size and CRC are compared.

    Those whose pieces were `checked` before, by `check_piece`, are compared with the CRC of what was stored then.
    The archive is opened twice: `file` is read from the start to the end, `directory` as a reader would, from the end
    record. `on_bytes` hears of each piece of the file that was read, and may raise. Raises `DamagedArchive`.
    """
    with _reading():
        return _check(file, directory, checked, on_bytes)


def check_piece(file: BinaryIO, piece: Piece) -> Piece:
    """Read `piece` back from where `file` is: it is inflated, and its size and CRC are compared. Return it as checked.

    Raises `DamagedArchive`.
    """
    with _reading():
        _check_contents(file, Entry.of(piece, offset=file.tell()), lambda chunk: None, more=piece.more)
    return replace(piece, checked=True)


@contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except (struct.error, UnicodeDecodeError, IsalError) as error:  # type: ignore[misc]  # its stub names an instance
        raise DamagedArchive(f"The archive does not read back: {error}.") from error


def _check(file: BinaryIO, directory: BinaryIO, checked: Mapping[str, int], on_bytes: Callable[[int], None]) -> Checked:
    digest = hashlib.sha256()

    def feed(block: Chunk) -> None:
        digest.update(block)
        on_bytes(len(block))

    members, start = _directory_place(directory)
    position = 0
    for entry in _directory_entries(directory, members, start):
        if entry.offset != position:
            raise DamagedArchive(f"{entry.name} does not start where the member before it ends.")
        position = _check_member(file, entry, checked.get(entry.name), feed)
    if position != start:
        raise DamagedArchive("The central directory does not start where the last member ends.")
    while block := file.read(_READ):
        feed(block)
    return Checked(size=file.tell(), sha256=digest.hexdigest(), members=members)


def _directory_entries(file: BinaryIO, count: int, start: int) -> Iterator[Entry]:
    file.seek(start)
    for _ in range(count):
        fields = CENTRAL.unpack(file.read(CENTRAL.size))
        if fields[0] != b"PK\1\2":
            raise DamagedArchive("The central directory is broken.")
        name = file.read(fields[10]).decode()
        wide = iter(struct.iter_unpack("<Q", file.read(fields[11])[4:]))
        size, compressed_size, offset = (
            next(wide)[0] if value == MAX32 else value for value in (fields[9], fields[8], fields[16])
        )
        yield Entry(name, fields[4], fields[7], size, compressed_size, offset)


def _directory_place(file: BinaryIO) -> tuple[int, int]:
    """How many members the end records promise, and where their directory starts."""
    try:
        file.seek(-END.size, 2)
        end = END.unpack(file.read(END.size))
        count, position = end[4], end[6]
        if count == MAX16 or MAX32 in end[5:7]:
            file.seek(-END.size - ZIP64_LOCATOR.size, 2)
            locator = ZIP64_LOCATOR.unpack(file.read(ZIP64_LOCATOR.size))
            file.seek(locator[2])
            wide = ZIP64_END.unpack(file.read(ZIP64_END.size))
            count, position = wide[7], wide[9]
            if (locator[0], wide[0]) != (b"PK\6\7", b"PK\6\6"):
                raise DamagedArchive("The Zip64 end records are broken.")
    except (OSError, struct.error) as error:
        raise DamagedArchive("The archive ends too early.") from error
    if end[0] != b"PK\5\6":
        raise DamagedArchive("The archive has no end record.")
    return count, position


def _check_member(file: BinaryIO, entry: Entry, stored_crc: int | None, feed: Callable[[Chunk], None]) -> int:
    """Compare the member that begins here with its entry, and return where it ends. `feed` gets its bytes on disk.

    Where it was checked piece by piece, it is enough that it is stored as it was then: with this CRC.
    """
    header = local_header(entry)
    found = file.read(len(header))
    feed(found)
    if found != header:
        raise DamagedArchive(f"{entry.name} is not where the directory says.")
    if stored_crc is not None:
        entry = replace(entry, method=STORED, crc=stored_crc, size=entry.compressed_size)
    _check_contents(file, entry, feed)
    return file.tell()


def _check_contents(file: BinaryIO, entry: Entry, feed: Callable[[Chunk], None], *, more: bool = False) -> None:
    crc = size = 0
    for piece in _pieces(file, entry, feed, more=more):
        crc = isal_zlib.crc32(piece, crc)
        size += len(piece)
    if (crc, size) != (entry.crc, entry.size):
        raise DamagedArchive(f"{entry.name} does not read back as it was written.")


def _pieces(file: BinaryIO, entry: Entry, feed: Callable[[Chunk], None], *, more: bool) -> Iterator[bytes]:
    """The bytes of the member, or of a piece with `more` to come, inflated, in pieces of bounded size."""
    inflate = isal_zlib.decompressobj(wbits=-15) if entry.method == DEFLATED else None
    left = entry.compressed_size
    while left:
        block = file.read(min(left, _READ))
        if not block:
            raise DamagedArchive(f"{entry.name} ends too early.")
        left -= len(block)
        feed(block)
        if inflate is None:
            yield block
            continue
        # Until nothing comes: the last bytes may still be held back when all of the block is taken in.
        while piece := inflate.decompress(block, _READ):
            yield piece
            block = inflate.unconsumed_tail
    if inflate is None:
        return
    if more and not inflate.eof:
        # What another piece can follow ends between two blocks, on a whole byte: there a last, empty block is in place.
        yield inflate.decompress(_LAST_BLOCK)
        more = False
    if more or not inflate.eof:
        raise DamagedArchive(f"{entry.name} does not end where it should.")
