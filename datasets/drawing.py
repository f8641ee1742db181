"""What is drawn over an image and marked in its captions: boxes in groups, phrases in their sentences. No Django.

A group is one grounded phrase of one annotation. Its number ties the words of the caption to the boxes on the
image; its tone, one of ten colors, is the same for the same phrase all over a dataset's pages.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from datasets import geometry
from datasets.contents import GroundedPhrase, PhraseGrounding
from datasets.geometry import Box, Number

TONES = 10


@dataclass(frozen=True, slots=True)
class Rectangle:
    """A box as SVG wants it: numbers as plain text, in px of the image. Its name stands at the corner that is seen."""

    x: str
    y: str
    width: str
    height: str
    name_x: str
    name_y: str


@dataclass(frozen=True, slots=True)
class Group:
    """A grounded phrase. `flat` are the boxes without area, which cannot be seen, as text."""

    number: int
    phrase: str
    tone: int
    in_caption: bool
    rectangles: tuple[Rectangle, ...]
    flat: tuple[str, ...]
    area: float

    @property
    def count(self) -> int:
        return len(self.rectangles)


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a caption and the groups it belongs to, the innermost first. `first` starts its group's phrase."""

    text: str
    groups: tuple[Group, ...] = ()
    first: bool = False

    @property
    def group(self) -> Group | None:
        return self.groups[0] if self.groups else None

    @property
    def numbers(self) -> str:
        return " ".join(str(group.number) for group in self.groups)


@dataclass(frozen=True, slots=True)
class Caption:
    segments: tuple[Segment, ...]
    groups: tuple[Group, ...]


def tones(phrases: Iterable[str], *, ranked: Sequence[str] = ()) -> dict[str, int]:
    """A tone for each phrase: by its rank in the dataset where it has one and the tone is free, else the next."""
    wanted = list(dict.fromkeys(phrases))
    ranks = {phrase: rank for rank, phrase in enumerate(ranked)}
    wanted.sort(key=lambda phrase: ranks.get(phrase, len(ranks)))
    chosen: dict[str, int] = {}
    for position, phrase in enumerate(wanted):
        used = set(chosen.values())
        preferred = ranks.get(phrase, position) % TONES
        free = [tone for tone in range(TONES) if tone not in used]
        chosen[phrase] = preferred if preferred not in used or not free else free[0]
    return chosen


def draw(
    contents: PhraseGrounding, *, width: int, height: int, tone_of: dict[str, int], first_number: int = 1
) -> Caption:
    """The caption of `contents` cut at its phrases, and the boxes of each, on a `width` x `height` image."""
    groups = tuple(
        _group(phrase, number, tone_of[phrase.phrase], width=width, height=height)
        for number, phrase in enumerate(contents.grounded_phrases, first_number)
    )
    spans = [
        (phrase.char_span, group)
        for phrase, group in zip(contents.grounded_phrases, groups, strict=True)
        if phrase.char_span is not None
    ]
    return Caption(segments=tuple(_segments(contents.caption, spans)), groups=groups)


def back_to_front(groups: Iterable[Group]) -> list[Group]:
    """Groups with large boxes first, so that those drawn later stay within reach of the pointer."""
    return sorted((group for group in groups if group.rectangles), key=lambda group: -group.area)


def rectangle(box: Box) -> Rectangle:
    xmin, ymin, xmax, ymax = box
    return Rectangle(
        _plain(xmin), _plain(ymin), _plain(xmax - xmin), _plain(ymax - ymin), _plain(max(xmin, 0)), _plain(max(ymin, 0))
    )


def _group(phrase: GroundedPhrase, number: int, tone: int, *, width: int, height: int) -> Group:
    drawn: list[Box] = []
    flat: list[Box] = []
    for box in phrase.bounds:
        seen = geometry.clamp(box, width=width, height=height)
        (flat if geometry.is_degenerate(seen, width=width, height=height) else drawn).append(box)
    areas = [(xmax - xmin) * (ymax - ymin) for xmin, ymin, xmax, ymax in drawn]
    return Group(
        number=number,
        phrase=phrase.phrase,
        tone=tone,
        in_caption=phrase.char_span is not None,
        rectangles=tuple(map(rectangle, drawn)),
        flat=tuple(", ".join(map(_plain, box)) for box in flat),
        area=sum(areas) / len(areas) if areas else 0,
    )


def _segments(caption: str, spans: Sequence[tuple[tuple[int, int], Group]]) -> Iterator[Segment]:
    """`caption` cut wherever a span starts or ends; joined, the pieces are the caption again."""
    length = len(caption)
    starts: dict[int, list[tuple[int, Group]]] = {}
    cuts = {0, length}
    for (start, end), group in spans:
        start, end = max(start, 0), min(end, length)
        if start < end:
            starts.setdefault(start, []).append((end, group))
            cuts |= {start, end}
    open_spans: list[tuple[int, int, Group]] = []
    begun: set[int] = set()
    places = sorted(cuts)
    for place, until in pairwise(places):
        open_spans = [span for span in open_spans if span[1] > place]
        open_spans += [(place, end, group) for end, group in starts.get(place, [])]
        open_spans.sort(key=lambda span: (span[1] - span[0], span[2].number))
        groups = tuple(group for _, _, group in open_spans)
        first = bool(groups) and groups[0].number not in begun
        begun |= {groups[0].number} if groups else set()
        yield Segment(caption[place:until], groups, first)


def _plain(value: Number) -> str:
    return f"{geometry.tidy(value, geometry.PIXEL_DECIMALS)}"
