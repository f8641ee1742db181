"""Fragments: what one shard of an export wrote, for the worker that assembles the archive.

A file of this portal's own that nobody else reads: the stored bytes of every piece, one after the other; then a
note that tells where each belongs and what the shard's receipt has come to; last, the note's length. For a store that
is to copy whole stretches, each piece that may be a whole member has its local header before it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from exports.archive import ArchiveWriter, Written, write_piece
from exports.reading_back import check_piece
from exports.receipt import Receipt, Share
from exports.records import Chunk, Member
from exports.zip_layout import Entry, Piece, local_header

_LENGTH = struct.Struct("<Q")
_READ = 1024 * 1024
#: From this size on, in bytes, a piece is checked by who wrote it. Of small ones there may be many to remember.
_LARGE = 256 * 1024


class Note(msgspec.Struct):
    """What is in a fragment: its pieces, and how long the header before each is; what the shard's receipt was told."""

    pieces: list[Piece]
    headers: list[int]
    share: Share


_decoder = msgspec.json.Decoder(Note)


class FragmentWriter:
    """Takes members as an archive would. `close` completes the fragment; without it there is none.

    Large pieces are read back here, by one worker while others do the same with theirs; so who assembles the archive
    on disk need not inflate them.
    """

    def __init__(self, path: Path, *, headed: bool = False) -> None:
        """`headed`: local headers are wanted as well."""
        self._path = path
        self._file: BinaryIO = path.open("wb", buffering=_READ)
        self._headed = headed
        self._pieces: list[Piece] = []
        self._headers: list[int] = []

    def add(self, member: Member) -> Written | None:
        """Pull `member`'s chunks into the fragment. None: only the archive knows when a member is written.

        Raises `UnexpectedBytes`, or whatever the chunks raise; the fragment is then as if it had not been added.
        """
        start = self._file.tell()
        try:
            header = self._begin(member)
            piece = write_piece(member, self._file.write)
            if header:
                self._fill(start, local_header(Entry.of(piece, offset=0)))
        except BaseException:
            self._file.seek(start)
            self._file.truncate()
            raise
        self._pieces.append(piece)
        self._headers.append(header)
        return None

    def close(self, receipt: Receipt) -> None:
        """Check what was written, write the note, `receipt` included, and close the file. Raises `DamagedArchive`."""
        self._file.flush()
        note = msgspec.json.encode(Note(list(self._checked()), self._headers, receipt.share()))
        self._file.write(note)
        self._file.write(_LENGTH.pack(len(note)))
        self.discard()

    def _checked(self) -> Iterator[Piece]:
        """The pieces; what a store puts together is read back from there."""
        place = 0
        with self._path.open("rb") as file:
            for piece, header in zip(self._pieces, self._headers, strict=True):
                file.seek(place + header)
                place += header + piece.stored
                large = piece.compressed and piece.stored >= _LARGE and not self._headed
                yield check_piece(file, piece) if large else piece

    def discard(self) -> None:
        """Let go of the file, whatever its state."""
        self._file.close()

    def _begin(self, member: Member) -> int:
        """Leave room for the local header of what may be a whole member; its length, or 0."""
        goes_on = bool(self._pieces) and self._pieces[-1].more
        if not self._headed or member.more or goes_on:
            return 0
        room = len(local_header(Entry.of(Piece(member.name, member.compressed, 0, 0, 0), offset=0)))
        self._file.write(bytes(room))
        return room

    def _fill(self, start: int, header: bytes) -> None:
        end = self._file.tell()
        self._file.seek(start)
        self._file.write(header)
        self._file.seek(end)


def read_note(file: BinaryIO) -> Note:
    """What the fragment in `file` says of itself."""
    end = file.seek(-_LENGTH.size, 2)
    (length,) = _LENGTH.unpack(file.read(_LENGTH.size))
    file.seek(end - length)
    return _decoder.decode(file.read(length))


def assemble(file: BinaryIO, writer: ArchiveWriter, receipt: Receipt) -> None:
    """Move the fragment in `file` into the archive of `writer`, and what it tells into `receipt`."""
    note = read_note(file)
    file.seek(0)
    receipt.absorb(note.share)
    for piece, header in zip(note.pieces, note.headers, strict=True):
        file.seek(header, 1)  # the archive writes its own
        receipt.wrote_member(writer.append(piece, _stored(file, piece)))


def _stored(file: BinaryIO, piece: Piece) -> Iterator[Chunk]:
    left = piece.stored
    while left:
        chunk = file.read(min(left, _READ))
        if not chunk:
            raise OSError(f"The fragment ends within {piece.name}.")
        left -= len(chunk)
        yield chunk
