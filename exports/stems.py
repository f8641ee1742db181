"""File names for an image and a text file that find each other by their stem. Pure; no Django.

A reader lists both folders by name and pairs them by place: `a.png` before `a.o.jpg` in one, `a.jsonl` before
`a.o.jsonl` in the other. So no stem may be another's, and none may go on, after a dot, where another ends.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable
from hashlib import sha256

from datasets import names
from datasets.image_types import EXTENSIONS, usual_extension


class Clashes:
    """The row ids of the assets whose stem is not theirs alone; 8 bytes each."""

    def __init__(self, ids: Iterable[int]) -> None:
        self._ids = array("q", sorted(ids))

    def __contains__(self, pk: int) -> bool:
        place = bisect_left(self._ids, pk)
        return place < len(self._ids) and self._ids[place] == pk

    @classmethod
    def among(cls, rows: Iterable[tuple[int, str]]) -> Clashes:
        """Those of `rows`, (row id, collision key of the name), which come in the order of the keys' code points.

        In that order names that begin alike stand together, so it takes a look at both neighbors, no more.
        """
        return cls(_clashing(rows))


def paired_name(member_name: str, *, uid: str, mime_type: str, clashes: bool) -> str:
    """What the image of an asset is called: its name in any archive, the extension known and in lower case.

    Where the stem `clashes`, is without a known extension or looks marked already, it loses its dots and is marked
    with a hash of the asset's public id. The name depends on nothing but the dataset's names: not on what was
    selected, nor on any order.
    """
    stem, extension = _split(member_name)
    if extension and "~" not in stem and not clashes:
        return stem + extension
    mark = sha256(uid.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    extension = extension or usual_extension(mime_type)
    return f"{stem.replace('.', '_')}~{mark}{extension}"


def _split(name: str) -> tuple[str, str]:
    stem, extension = names.split_extension(name)
    extension = names.collision_key(extension)
    return (stem, extension) if extension in EXTENSIONS else (name, "")


def _clashing(rows: Iterable[tuple[int, str]]) -> Iterable[int]:
    before: tuple[int, str] | None = None
    told = False
    for row in rows:
        if before is not None:
            (earlier, first), (later, second) = before, row
            if second.startswith(_beginning(first)) and not told:
                yield earlier
            told = first.startswith(_beginning(second))
            if told:
                yield later
        before = row


def _beginning(key: str) -> str:
    """The stem of `key` with a dot: what no other name may begin with."""
    return _split(key)[0] + "."
