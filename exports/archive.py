"""The only zip code: writing members one after the other, and checking a written archive.

Same members, same bytes: fixed timestamps and modes. Text is deflated with ISA-L, everything else stored. Layout
from PKWARE's APPNOTE 6.3.10 (sections 4.3.7 local header, 4.3.12 central directory, 4.3.14-16 end records,
4.5.3 Zip64). Memory does not grow with the number of members: the central directory is spooled.
"""

from __future__ import annotations

import hashlib
import struct
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import IO, BinaryIO

from isal import isal_zlib
from isal.igzip_lib import IsalError

from exports.records import Chunk, Expected, Member

_LOCAL = struct.Struct("<4sHHHHHIIIHH")
_CENTRAL = struct.Struct("<4sHHHHHHIIIHHHHHII")
_END = struct.Struct("<4sHHHHIIH")
_ZIP64_END = struct.Struct("<4sQHHIIQQQQ")
_ZIP64_LOCATOR = struct.Struct("<4sIQI")
_ZIP64_SIZES = struct.Struct("<HHQQ")

_VERSION = 45
_MADE_BY_UNIX = 3 << 8 | _VERSION
_UTF8 = 0x800
_STORED, _DEFLATED = 0, 8
_DOS_TIME, _DOS_DATE = 0, 1 << 5 | 1  # 1980-01-01 00:00, the earliest a zip can say
_REGULAR_FILE = 0o100644 << 16
_MAX32, _MAX16 = 0xFFFFFFFF, 0xFFFF

_LAST_BLOCK = b"\3\0"

_READ = 1024 * 1024


class UnexpectedBytes(Exception):
    """A member's bytes are not those it was expected to have; it was left out of the archive."""


class DamagedArchive(Exception):
    """What was written does not read back."""


@dataclass(frozen=True, slots=True)
class Written:
    """What the archive holds under `name`: uncompressed bytes, their CRC-32, and where it is known their SHA-256."""

    name: str
    size: int
    crc32: int
    sha256: str


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
class Checked:
    """A whole archive that was read back: its size and SHA-256 on disk, and how many members it has."""

    size: int
    sha256: str
    members: int


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
        return cls(piece.name, _DEFLATED if piece.compressed else _STORED, piece.crc, piece.size, piece.stored, offset)

    def with_more(self, piece: Piece) -> Entry:
        """The member once `piece` is added to it."""
        return replace(
            self,
            crc=_crc_of_both(self.crc, piece.crc, piece.size),
            size=self.size + piece.size,
            compressed_size=self.compressed_size + piece.stored,
        )


def write_piece(member: Member, write: Callable[[Chunk], object]) -> Piece:
    """Pull `member`'s chunks and `write` what is to lie in an archive for them.

    Raises `UnexpectedBytes`, or whatever the chunks raise, when some of it was written.
    """
    deflate = isal_zlib.compressobj(1, wbits=-15) if member.compressed else None
    crc = size = stored = stored_crc = 0
    for chunk in member.chunks:
        crc = isal_zlib.crc32(chunk, crc)
        size += len(chunk)
        if deflate is None:
            write(chunk)
            continue
        out = deflate.compress(chunk)
        stored += len(out)
        stored_crc = isal_zlib.crc32(out, stored_crc)
        write(out)
    if deflate is not None:
        # What ends on a whole byte, with the stream still open, can be followed by another stream's beginning.
        out = deflate.flush(isal_zlib.Z_FULL_FLUSH if member.more else isal_zlib.Z_FINISH)
        stored += len(out)
        stored_crc = isal_zlib.crc32(out, stored_crc)
        write(out)
    else:
        stored, stored_crc = size, crc
    expected = member.expected
    if expected and (crc, size) != (expected.crc32, expected.size):
        raise UnexpectedBytes(
            f"{member.name} has {size} bytes with CRC {crc:08x}; "
            f"{expected.size} bytes with CRC {expected.crc32:08x} were stored."
        )
    # SHA-256 costs more than the rest of copying; bytes whose size and CRC hold keep the hash they came with.
    sha256 = expected.sha256 if expected else ""
    return Piece(member.name, member.compressed, size, crc, stored, stored_crc, member.more, sha256)


class Directory:
    """The central directory of an archive in the making, spooled in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._spool: IO[bytes] = tempfile.SpooledTemporaryFile(_READ, "w+b", dir=str(folder))
        self._count = 0

    def note(self, entry: Entry) -> None:
        """Add a member that is complete."""
        name, values = entry.name.encode(), (entry.size, entry.compressed_size, entry.offset)
        large = [value for value in values if value >= _MAX32]
        extra = struct.pack(f"<HH{len(large)}Q", 1, 8 * len(large), *large) if large else b""
        size, compressed_size, offset = (min(value, _MAX32) for value in values)
        common = (_UTF8, entry.method, _DOS_TIME, _DOS_DATE, entry.crc, compressed_size, size)
        lengths = (len(name), len(extra), 0, 0, 0)
        fixed = _CENTRAL.pack(b"PK\1\2", _MADE_BY_UNIX, _VERSION, *common, *lengths, _REGULAR_FILE, offset)
        self._spool.write(fixed + name + extra)
        self._count += 1

    def chunks(self, start: int) -> Iterator[bytes]:
        """The directory, if it begins at `start`, and the end records: all that is to follow the last member."""
        size = self._spool.tell()
        self._spool.seek(0)
        while block := self._spool.read(_READ):
            yield block
        if self._count >= _MAX16 or start >= _MAX32 or size >= _MAX32:
            counts = (self._count, self._count, size, start)
            yield _ZIP64_END.pack(b"PK\6\6", 44, _MADE_BY_UNIX, _VERSION, 0, 0, *counts)
            yield _ZIP64_LOCATOR.pack(b"PK\6\7", 0, start + size, 1)
        count = min(self._count, _MAX16)
        yield _END.pack(b"PK\5\6", 0, 0, count, count, min(size, _MAX32), min(start, _MAX32), 0)

    def close(self) -> None:
        self._spool.close()


class ArchiveWriter:
    """Writes members to a new file, one at a time. `close` completes the archive; without it there is none.

    `checked` has the CRC-32 of what is stored of the members whose pieces were all checked already.
    """

    def __init__(self, path: Path) -> None:
        self._file: BinaryIO = path.open("wb", buffering=_READ)
        self._directory = Directory(path.parent)
        self._open: Entry | None = None
        self._open_checked: int | None = 0
        self.checked: dict[str, int] = {}

    def add(self, member: Member) -> Written | None:
        """Pull `member`'s chunks into the archive. None while there is more of it to come.

        Raises `UnexpectedBytes`, or whatever the chunks raise; the archive is then as if it had not been added.
        """
        start, before, before_checked = self._file.tell(), self._open, self._open_checked
        try:
            # Sizes known beforehand are written once; others are filled in when the chunks are through.
            known = member.expected if not member.compressed and not member.more else None
            self._begin(member.name, member.compressed, known)
            return self._end(write_piece(member, self._file.write), filled=known is not None)
        except BaseException:
            self._file.seek(start)
            self._file.truncate()
            self._open, self._open_checked = before, before_checked
            raise

    def append(self, piece: Piece, stored: Iterable[Chunk]) -> Written | None:
        """The same for what was made a `piece` elsewhere; `stored` are its bytes."""
        self._begin(piece.name, piece.compressed, None)
        for chunk in stored:
            self._file.write(chunk)
        return self._end(piece, filled=False)

    def close(self) -> None:
        """Write the central directory and close the file."""
        self._only(None)
        for block in self._directory.chunks(self._file.tell()):
            self._file.write(block)
        self.discard()

    def discard(self) -> None:
        """Let go of the files, whatever their state."""
        self._file.close()
        self._directory.close()

    def _begin(self, name: str, compressed: bool, known: Expected | None) -> None:
        """Write the local header, unless the member of this name is still open."""
        self._only(name)
        if self._open is not None:
            return
        header = (known.crc32, known.size, known.size) if known else (0, 0, 0)
        self._open = Entry(name, _DEFLATED if compressed else _STORED, *header, self._file.tell())
        self._file.write(local_header(self._open))
        self._open = replace(self._open, crc=0, size=0, compressed_size=0)
        self._open_checked = 0

    def _end(self, piece: Piece, *, filled: bool) -> Written | None:
        """Count `piece` to the open member, and complete that unless there is more to come."""
        assert self._open is not None
        entry = self._open = self._open.with_more(piece)
        before = self._open_checked if piece.checked else None
        self._open_checked = None if before is None else _crc_of_both(before, piece.stored_crc, piece.stored)
        if piece.more:
            return None
        if self._open_checked is not None:
            self.checked[piece.name] = self._open_checked
        if not filled:
            end = self._file.tell()
            self._file.seek(entry.offset)
            self._file.write(local_header(entry))
            self._file.seek(end)
        self._directory.note(entry)
        self._open = None
        return Written(entry.name, entry.size, entry.crc, piece.sha256)

    def _only(self, name: str | None) -> None:
        if self._open is not None and self._open.name != name:
            raise ValueError(f"{self._open.name} is not complete.")


def _crc_of_both(first: int, second: int, size: int) -> int:
    """The CRC-32 of two texts, the `second` of them of this `size`."""
    return isal_zlib.crc32_combine(first, second, size)


def local_header(entry: Entry) -> bytes:
    """What precedes the bytes of a member. Its length is a matter of the name alone."""
    # Always Zip64, so that a member may turn out to be of any size.
    name, common = entry.name.encode(), (_UTF8, entry.method, _DOS_TIME, _DOS_DATE, entry.crc)
    return (
        _LOCAL.pack(b"PK\3\4", _VERSION, *common, _MAX32, _MAX32, len(name), _ZIP64_SIZES.size)
        + name
        + _ZIP64_SIZES.pack(1, 16, entry.size, entry.compressed_size)
    )


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
        fields = _CENTRAL.unpack(file.read(_CENTRAL.size))
        if fields[0] != b"PK\1\2":
            raise DamagedArchive("The central directory is broken.")
        name = file.read(fields[10]).decode()
        wide = iter(struct.iter_unpack("<Q", file.read(fields[11])[4:]))
        size, compressed_size, offset = (
            next(wide)[0] if value == _MAX32 else value for value in (fields[9], fields[8], fields[16])
        )
        yield Entry(name, fields[4], fields[7], size, compressed_size, offset)


def _directory_place(file: BinaryIO) -> tuple[int, int]:
    """How many members the end records promise, and where their directory starts."""
    try:
        file.seek(-_END.size, 2)
        end = _END.unpack(file.read(_END.size))
        count, position = end[4], end[6]
        if count == _MAX16 or _MAX32 in end[5:7]:
            file.seek(-_END.size - _ZIP64_LOCATOR.size, 2)
            locator = _ZIP64_LOCATOR.unpack(file.read(_ZIP64_LOCATOR.size))
            file.seek(locator[2])
            wide = _ZIP64_END.unpack(file.read(_ZIP64_END.size))
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
        entry = replace(entry, method=_STORED, crc=stored_crc, size=entry.compressed_size)
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
    inflate = isal_zlib.decompressobj(wbits=-15) if entry.method == _DEFLATED else None
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
