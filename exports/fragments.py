"""Fragments: what one shard of an export wrote, for the worker that assembles the archive.

A file of this portal's own that nobody else reads: the stored bytes of every piece, one after the other; then a
note that tells where each belongs and what the shard's receipt has come to; last, the note's length.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from exports import archive
from exports.archive import ArchiveWriter, Piece, Written, write_piece
from exports.receipt import Receipt, Share
from exports.records import Chunk, Member

_LENGTH = struct.Struct("<Q")
_READ = 1024 * 1024
#: From this size on, in bytes, a piece is checked by who wrote it. Of small ones there may be many to remember.
_LARGE = 256 * 1024


class _Note(msgspec.Struct):
    pieces: list[Piece]
    share: Share


_decoder = msgspec.json.Decoder(_Note)


class FragmentWriter:
    """Takes members as an archive would. `close` completes the fragment; without it there is none.

    Large pieces are read back here, by one worker while others do the same with theirs; so who assembles the archive
    need not inflate them.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO = path.open("wb", buffering=_READ)
        self._pieces: list[Piece] = []

    def add(self, member: Member) -> Written | None:
        """Pull `member`'s chunks into the fragment. None: only the archive knows when a member is written.

        Raises `UnexpectedBytes`, or whatever the chunks raise; the fragment is then as if it had not been added.
        """
        start = self._file.tell()
        try:
            self._pieces.append(write_piece(member, self._file.write))
        except BaseException:
            self._file.seek(start)
            self._file.truncate()
            raise
        return None

    def close(self, receipt: Receipt) -> None:
        """Check what was written, write the note, `receipt` included, and close the file. Raises `DamagedArchive`."""
        self._file.flush()
        note = msgspec.json.encode(_Note(list(self._checked()), receipt.share()))
        self._file.write(note)
        self._file.write(_LENGTH.pack(len(note)))
        self.discard()

    def _checked(self) -> Iterator[Piece]:
        place = 0
        with self._path.open("rb") as file:
            for piece in self._pieces:
                file.seek(place)
                place += piece.stored
                large = piece.compressed and piece.stored >= _LARGE
                yield archive.check_piece(file, piece) if large else piece

    def discard(self) -> None:
        """Let go of the file, whatever its state."""
        self._file.close()


def assemble(file: BinaryIO, writer: ArchiveWriter, receipt: Receipt) -> None:
    """Move the fragment in `file` into the archive of `writer`, and what it tells into `receipt`."""
    end = file.seek(-_LENGTH.size, 2)
    (length,) = _LENGTH.unpack(file.read(_LENGTH.size))
    file.seek(end - length)
    note = _decoder.decode(file.read(length))
    file.seek(0)
    receipt.absorb(note.share)
    for piece in note.pieces:
        receipt.wrote_member(writer.append(piece, _stored(file, piece)))


def _stored(file: BinaryIO, piece: Piece) -> Iterator[Chunk]:
    left = piece.stored
    while left:
        chunk = file.read(min(left, _READ))
        if not chunk:
            raise OSError(f"The fragment ends within {piece.name}.")
        left -= len(chunk)
        yield chunk
