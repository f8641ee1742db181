"""Finding the words of a caption that a phrase means. Pure; no Django.

Sources do not agree on what their indices count, so each reading is tried and must give the phrase: the character
span, the indices as characters, as words with the end included, as words with the end left out. Where none does,
the phrase is looked for in the caption.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from datasets.contents import NO_TOKEN

Characters: TypeAlias = tuple[int, int]

#: So many occurrences of a phrase are looked at for a free one.
_MAX_OCCURRENCES = 1000


@dataclass(frozen=True, slots=True)
class Hint:
    """A phrase, and what its source says about its place."""

    phrase: str
    char_span: Characters | None = None
    start: int | None = None
    end: int | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """Where a phrase is: words of the caption counted from 0, both ends inclusive, and half-open characters."""

    start_token: int = NO_TOKEN
    end_token: int = NO_TOKEN
    characters: Characters | None = None


NOWHERE = Span()


def locate(caption: str, hints: Sequence[Hint]) -> list[Span]:
    """The span of each of `hints`, `NOWHERE` for a phrase that is not found.

    Phrases whose indices give them take their places first; each of the others gets the first occurrence that is
    not taken yet.
    """
    words = _Words.of(caption)
    found = [_indicated(caption, words, hint) for hint in hints]
    taken = _Taken()
    for place in filter(None, found):
        taken.add(place)
    spans = []
    for hint, indicated in zip(hints, found, strict=True):
        characters = indicated or _first_free(caption, hint.phrase, taken)
        spans.append(words.span(characters) if characters else NOWHERE)
        if characters:
            taken.add(characters)
    return spans


@dataclass(frozen=True, slots=True)
class _Words:
    """The whitespace-separated words of a caption, by where they start and end."""

    caption: str
    starts: list[int]
    ends: list[int]

    @classmethod
    def of(cls, caption: str) -> _Words:
        matches = list(re.finditer(r"\S+", caption))
        return cls(caption, [match.start() for match in matches], [match.end() for match in matches])

    def span(self, characters: Characters) -> Span:
        """The words that `characters` touch."""
        start, end = characters
        first, last = bisect_right(self.ends, start), bisect_left(self.starts, end) - 1
        return Span(first, last, characters) if first <= last else NOWHERE

    def find(self, phrase: str, first: int, last: int) -> Characters | None:
        """`phrase` in the words from `first` to `last`, which hold nothing else but punctuation."""
        if not 0 <= first <= last < len(self.starts):
            return None
        start, end = self.starts[first], self.ends[last]
        position = self.caption.find(phrase, start, end)
        if position < 0:
            return None
        around = self.caption[start:position] + self.caption[position + len(phrase) : end]
        if any(character.isalnum() for character in around):
            return None
        return position, position + len(phrase)


@dataclass(slots=True)
class _Taken:
    """The places that phrases have, ordered by their start."""

    exactly: set[Characters] = field(default_factory=set)
    starts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)

    def add(self, characters: Characters) -> None:
        if characters in self.exactly:
            return
        self.exactly.add(characters)
        index = bisect_left(self.starts, characters[0])
        self.starts.insert(index, characters[0])
        self.ends.insert(index, characters[1])

    def touches(self, characters: Characters) -> bool:
        """Whether a neighboring place overlaps `characters`."""
        start, end = characters
        index = bisect_left(self.starts, start)
        before = index > 0 and self.ends[index - 1] > start
        return before or (index < len(self.starts) and self.starts[index] < end)


def _indicated(caption: str, words: _Words, hint: Hint) -> Characters | None:
    """The place that the indices give, if any reading of them gives the phrase."""
    if hint.char_span is not None and _gives(caption, hint.char_span, hint.phrase):
        return hint.char_span
    if hint.start is None or hint.end is None:
        return None
    if _gives(caption, (hint.start, hint.end), hint.phrase):
        return hint.start, hint.end
    inclusive = words.find(hint.phrase, hint.start, hint.end)
    return inclusive or words.find(hint.phrase, hint.start, hint.end - 1)


def _gives(caption: str, characters: Characters, phrase: str) -> bool:
    start, end = characters
    return 0 <= start < end <= len(caption) and end - start == len(phrase) and caption.startswith(phrase, start)


def _first_free(caption: str, phrase: str, taken: _Taken) -> Characters | None:
    """The first occurrence no other phrase has; better whole words, and better apart from other phrases."""
    best: tuple[int, Characters] | None = None
    for characters in _occurrences(caption, phrase):
        if characters in taken.exactly:
            continue
        blemishes = 2 * (not _is_whole(caption, characters)) + taken.touches(characters)
        if best is None or blemishes < best[0]:
            best = blemishes, characters
        if blemishes == 0:
            break
    return best[1] if best else None


def _occurrences(caption: str, phrase: str) -> Iterator[Characters]:
    position = -1
    for _ in range(_MAX_OCCURRENCES):
        position = caption.find(phrase, position + 1)
        if position < 0:
            return
        yield position, position + len(phrase)


def _is_whole(caption: str, characters: Characters) -> bool:
    """Whether the place does not begin or end inside a word."""
    start, end = characters
    cut_before = start > 0 and caption[start - 1].isalnum() and caption[start].isalnum()
    cut_after = end < len(caption) and caption[end].isalnum() and caption[end - 1].isalnum()
    return not cut_before and not cut_after
