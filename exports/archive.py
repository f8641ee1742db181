"""The only zip writer: members one after the other, whole or piece by piece.

Same members, same bytes: fixed timestamps and modes. Text is deflated with ISA-L, everything else stored. Memory does
not grow with the number of members: the central directory is spooled.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, BinaryIO

from isal import isal_zlib

from exports.records import Chunk, Expected, Member
from exports.zip_layout import (
    DEFLATED,
    STORED,
    Entry,
    Piece,
    central_header,
    crc_of_both,
    end_records,
    local_header,
)

_GATHERED = 1024 * 1024


class UnexpectedBytes(Exception):
    """A member's bytes are not those it was expected to have; it was left out of the archive."""


@dataclass(frozen=True, slots=True)
class Written:
    """What the archive holds under `name`: uncompressed bytes, their CRC-32, and where it is known their SHA-256."""

    name: str
    size: int
    crc32: int
    sha256: str


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
        self._spool: IO[bytes] = tempfile.SpooledTemporaryFile(_GATHERED, "w+b", dir=str(folder))
        self._count = 0

    def note(self, entry: Entry) -> None:
        """Add a member that is complete."""
        self._spool.write(central_header(entry))
        self._count += 1

    def chunks(self, start: int) -> Iterator[bytes]:
        """The directory, if it begins at `start`, and the end records: all that is to follow the last member."""
        size = self._spool.tell()
        self._spool.seek(0)
        while block := self._spool.read(_GATHERED):
            yield block
        yield end_records(self._count, size, start)

    def close(self) -> None:
        self._spool.close()


class ArchiveWriter:
    """Writes members to a new file, one at a time. `close` completes the archive; without it there is none.

    `checked` has the CRC-32 of what is stored of the members whose pieces were all checked already.
    """

    def __init__(self, path: Path) -> None:
        self._file: BinaryIO = path.open("wb", buffering=_GATHERED)
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
        self._open = Entry(name, DEFLATED if compressed else STORED, *header, self._file.tell())
        self._file.write(local_header(self._open))
        self._open = replace(self._open, crc=0, size=0, compressed_size=0)
        self._open_checked = 0

    def _end(self, piece: Piece, *, filled: bool) -> Written | None:
        """Count `piece` to the open member, and complete that unless there is more to come."""
        assert self._open is not None
        entry = self._open = self._open.with_more(piece)
        before = self._open_checked if piece.checked else None
        self._open_checked = None if before is None else crc_of_both(before, piece.stored_crc, piece.stored)
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
