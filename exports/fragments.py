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

from exports.archive import ArchiveWriter, Piece, Written, write_piece
from exports.receipt import Receipt, Share
from exports.records import Chunk, Member

_LENGTH = struct.Struct("<Q")
_READ = 1024 * 1024


class _Note(msgspec.Struct):
    pieces: list[Piece]
    share: Share


_decoder = msgspec.json.Decoder(_Note)


class FragmentWriter:
    """Takes members as an archive would. `close` completes the fragment; without it there is none."""

    def __init__(self, path: Path) -> None:
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
        """Write the note, `receipt` included, and close the file."""
        note = msgspec.json.encode(_Note(self._pieces, receipt.share()))
        self._file.write(note)
        self._file.write(_LENGTH.pack(len(note)))
        self.discard()

    def discard(self) -> None:
        """Let go of the file, whatever its state."""
        self._file.close()


def assemble(file: BinaryIO, archive: ArchiveWriter, receipt: Receipt) -> None:
    """Move the fragment in `file` into `archive`, and what it tells into `receipt`."""
    end = file.seek(-_LENGTH.size, 2)
    (length,) = _LENGTH.unpack(file.read(_LENGTH.size))
    file.seek(end - length)
    note = _decoder.decode(file.read(length))
    file.seek(0)
    receipt.absorb(note.share)
    for piece in note.pieces:
        receipt.wrote_member(archive.append(piece, _stored(file, piece)))


def _stored(file: BinaryIO, piece: Piece) -> Iterator[Chunk]:
    left = piece.stored
    while left:
        chunk = file.read(min(left, _READ))
        if not chunk:
            raise OSError(f"The fragment ends within {piece.name}.")
        left -= len(chunk)
        yield chunk
