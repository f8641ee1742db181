"""An archive that the store puts together: what lies in fragments is copied there, and only the rest is sent.

The same members give the same bytes as in `archive`.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Protocol

from exports.archive import Directory, Written, write_piece
from exports.fragments import Note
from exports.receipt import Receipt
from exports.records import Member
from exports.zip_layout import Entry, Piece, local_header

_READ = 1024 * 1024


class Upload(Protocol):
    """What the archive is made of: `size` bytes so far, and what comes next."""

    size: int

    def write(self, content: bytes) -> None: ...
    def copy(self, name: str, start: int, size: int) -> None: ...
    def reserve(self, size: int) -> None: ...
    def fill(self, content: bytes) -> None: ...
    def complete(self) -> None: ...


class JoinedArchive:
    """Writes members one after the other, as `ArchiveWriter` does. `close` completes the archive.

    What is needed on this machine's disk is in `folder`: the central directory, and each member of `add` for itself.
    """

    def __init__(self, upload: Upload, folder: Path) -> None:
        self._upload = upload
        self._folder = folder
        self._directory = Directory(folder)
        self._open: Entry | None = None

    def add(self, member: Member) -> Written | None:
        """Pull `member`'s chunks into the archive. For what is in no fragment, and comes in one piece.

        Raises `UnexpectedBytes`, or whatever the chunks raise; the archive is then as if it had not been added.
        """
        assert not member.more
        with tempfile.SpooledTemporaryFile(_READ, "w+b", dir=str(self._folder)) as spool:
            piece = write_piece(member, spool.write)
            spool.seek(0)
            offset = self._begin(piece)
            while block := spool.read(_READ):
                self._upload.write(block)
        return self._end(piece, offset)

    def join(self, fragment: str, note: Note, receipt: Receipt) -> None:
        """Go on with what is in the object `fragment`, of which `note` tells; `receipt` takes over what that was told.

        The fragment must stay until the archive is complete.
        """
        receipt.absorb(note.share)
        start = 0
        for piece, header in zip(note.pieces, note.headers, strict=True):
            stop = start + header + piece.stored
            if header and self._open is None:
                offset = self._upload.size
            else:  # a header in the fragment is for a member that begins there; this one began before
                offset, start = self._begin(piece), start + header
            self._upload.copy(fragment, start, stop - start)
            receipt.wrote_member(self._end(piece, offset))
            start = stop

    def close(self) -> None:
        """Send the central directory, and have all put together."""
        if self._open is not None:
            raise ValueError(f"{self._open.name} is not complete.")
        for block in self._directory.chunks(self._upload.size):
            self._upload.write(block)
        self._upload.complete()
        self.discard()

    def discard(self) -> None:
        """Let go of the files, whatever their state."""
        self._directory.close()

    def _begin(self, piece: Piece) -> int:
        """Send the local header, or leave a gap for it; neither where the member of this name is open. Its offset."""
        if self._open is not None:
            if self._open.name != piece.name:
                raise ValueError(f"{self._open.name} is not complete.")
            return self._open.offset
        entry = Entry.of(piece, offset=self._upload.size)
        header = local_header(entry)
        if piece.more:
            self._upload.reserve(len(header))
        else:
            self._upload.write(header)
        return entry.offset

    def _end(self, piece: Piece, offset: int) -> Written | None:
        """Count `piece` to its member, which begins at `offset`, and complete that unless there is more to come."""
        entry = Entry.of(piece, offset=offset) if self._open is None else self._open.with_more(piece)
        if piece.more:
            self._open = entry
            return None
        if self._open is not None:
            self._upload.fill(local_header(entry))
            self._open = None
        self._directory.note(entry)
        return Written(entry.name, entry.size, entry.crc, piece.sha256)
