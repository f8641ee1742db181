"""An object cut into the parts of an upload, where some of its bytes lie in other objects of the store. Pure.

A store copies a stretch of another object by itself, but takes no part below a certain size, save the last. So what
is smaller is put into one part with what follows it, and that part has to be fetched and sent.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from vi_portal.s3.failures import StoreFailed

#: What S3 takes at least as a part, and what it copies at most as one; here, less is copied at once.
SMALLEST_PART = 5 * 1024 * 1024
LARGEST_COPY = 5 * 1024**3
USUAL_COPY = 128 * 1024 * 1024
#: A store takes no more parts; so after each so many, twice as much is copied at once.
MOST_PARTS = 10_000
_DOUBLED_AFTER = 1_000


@dataclass(frozen=True, slots=True)
class Stretch:
    """`size` bytes of another object, from `start` on."""

    name: str
    start: int
    size: int

    @property
    def stop(self) -> int:
        return self.start + self.size

    def cut(self, size: int) -> tuple[Stretch, Stretch]:
        """The first `size` bytes, and the rest."""
        return Stretch(self.name, self.start, size), Stretch(self.name, self.start + size, self.size - size)

    def goes_on_with(self, other: Stretch) -> bool:
        return (self.name, self.stop) == (other.name, other.start)


@dataclass(eq=False, slots=True)
class Given:
    """Bytes of our own; `open` where they are to be filled in later, and `content` is but as long as they will be."""

    content: bytearray
    open: bool = False

    @property
    def size(self) -> int:
        return len(self.content)


@dataclass(eq=False, slots=True)
class Part:
    """What one part consists of, in order."""

    number: int
    pieces: list[Stretch | Given] = field(default_factory=list)
    size: int = 0

    @property
    def copied(self) -> Stretch | None:
        """What the store can copy, where that is all of the part."""
        match self.pieces:
            case [Stretch() as stretch]:
                return stretch
        return None

    @property
    def is_open(self) -> bool:
        return any(isinstance(piece, Given) and piece.open for piece in self.pieces)

    def add(self, piece: Stretch | Given) -> None:
        self.size += piece.size
        match (self.pieces[-1] if self.pieces else None), piece:
            case Stretch() as last, Stretch() if last.goes_on_with(piece):
                self.pieces[-1] = Stretch(last.name, last.start, last.size + piece.size)
            case Given(open=False) as last, Given(open=False):
                last.content += piece.content
            case _:
                self.pieces.append(piece)


class Cutter:
    """Takes the pieces of the object in order, and gives its parts as they become complete; `rest` gives the last.

    Both raise `StoreFailed` where there are more parts than a store takes: a copy never spans two objects, so that
    happens where many small ones are put together.
    """

    def __init__(self) -> None:
        self._part = Part(1)

    def add(self, piece: Stretch | Given) -> Iterator[Part]:
        """Take `piece`; the parts that are complete now."""
        while piece.size:
            room = self._room(piece)
            if room <= 0:
                yield self._complete()
            elif isinstance(piece, Stretch) and piece.size > room:
                head, piece = piece.cut(room)
                self._part.add(head)
            else:
                self._part.add(piece)
                return

    def rest(self) -> Iterator[Part]:
        """What is left, the last part; none where there is nothing."""
        if self._part.size:
            yield self._complete()

    def _room(self, piece: Stretch | Given) -> int:
        """How much of `piece` belongs into the present part; no more than 0 where that is complete without it."""
        part = self._part
        stays_copy = isinstance(piece, Stretch) and (
            not part.pieces or (part.copied is not None and part.copied.goes_on_with(piece))
        )
        if stays_copy:
            return min(USUAL_COPY << part.number // _DOUBLED_AFTER, LARGEST_COPY) - part.size
        return SMALLEST_PART - part.size

    def _complete(self) -> Part:
        if self._part.number > MOST_PARTS:
            told = f"A file store puts an archive together from no more than {MOST_PARTS:,} parts, and this needs more."
            advice = "Raise EXPORT_SHARD_RECORDS, so that each is larger, or export fewer assets at once."
            raise StoreFailed(f"{told} {advice}", lasting=True)
        part, self._part = self._part, Part(self._part.number + 1)
        return part
