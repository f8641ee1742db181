"""The typed shape of an annotation's contents: one definition for pages, import and export.

The JSON is that of the Vi JSONL `contents` object: keys in camelCase, `type` first. Boxes are kept in pixels.
`render` turns contents into the texts the database stores, so that an export can pass them through as they are.
The structs hold no cycles, so Python's collector need not look at them (`gc=False`).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta

from datasets import geometry
from datasets.geometry import Box

MAX_CONTENTS_BYTES = 4 * 1024 * 1024

#: A whole number that every format can hold: 64 bits with a sign.
Int64: TypeAlias = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]

#: Written for a phrase that was not found in its caption.
NO_TOKEN = -1


class ContentsError(ValueError):
    """The contents cannot be accepted; the message is a sentence for the person who sent them."""


class GroundedPhrase(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True, gc=False):
    """Words of the caption, and where the image shows them.

    `start_token_index` and `end_token_index` count whitespace-separated words of the caption, both ends
    inclusive; `char_span` is half-open, in characters: `caption[a:b] == phrase`.
    """

    phrase: Annotated[str, Meta(min_length=1)]
    start_token_index: Int64
    end_token_index: Int64
    char_span: tuple[Int64, Int64] | None = None
    bounds: list[Box]


class PhraseGrounding(msgspec.Struct, frozen=True, rename="camel", tag_field="type", gc=False):
    caption: str
    grounded_phrases: list[GroundedPhrase]


class Interaction(msgspec.Struct, frozen=True, gc=False):
    """One question and its answer; `order` counts from 1."""

    order: Int64
    question: str
    answer: str


class Vqa(msgspec.Struct, frozen=True, tag_field="type", gc=False):
    interactions: list[Interaction]


class Freeform(msgspec.Struct, frozen=True, tag_field="type", gc=False):
    text: str


Contents: TypeAlias = PhraseGrounding | Vqa | Freeform
_BoxesOf: TypeAlias = Callable[[GroundedPhrase], Iterable[Box]]

_decoder: msgspec.json.Decoder[Contents] = msgspec.json.Decoder(Contents)
_labels_decoder = msgspec.json.Decoder(list[dict[str, int]])
_encoder = msgspec.json.Encoder()


def parse(text: str | bytes) -> Contents:
    """Typed contents from their JSON. Raises `ContentsError` when it is not such JSON."""
    try:
        return _decoder.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ContentsError(f"The contents are not valid: {error}.") from error


def dump(contents: Contents) -> str:
    """The canonical JSON text of `contents`: compact, UTF-8 characters as they are, stable key order."""
    return _encoder.encode(contents).decode()


def check(contents: Contents) -> None:
    """Raise `ContentsError` for what the types alone cannot refuse."""
    if len(dump(contents).encode()) > MAX_CONTENTS_BYTES:
        raise ContentsError(f"The contents are larger than {MAX_CONTENTS_BYTES // 2**20} MiB.")
    if not isinstance(contents, PhraseGrounding):
        return
    for phrase in contents.grounded_phrases:
        if not all(math.isfinite(number) for box in phrase.bounds for number in box):
            raise ContentsError(f"A box of “{phrase.phrase}” has a coordinate that is not a finite number.")
        if phrase.char_span is not None:
            start, end = phrase.char_span
            if start < 0 or end > len(contents.caption) or contents.caption[start:end] != phrase.phrase:
                raise ContentsError(f"The charSpan of “{phrase.phrase}” points at other words of the caption.")


def labels(contents: Contents) -> dict[str, int]:
    """What the annotation is about, counted: boxes per phrase, or interactions per answer."""
    match contents:
        case PhraseGrounding(grounded_phrases=phrases):
            counts: Counter[str] = Counter()
            for phrase in phrases:
                counts[phrase.phrase] += len(phrase.bounds)
            return dict(counts)
        case Vqa(interactions=interactions):
            return dict(Counter(interaction.answer for interaction in interactions))
        case Freeform():
            return {}


@dataclass(frozen=True, slots=True)
class BoxFlaw:
    """A box that cannot be written as it stands: `clamped` to the image, or `degenerate` and left out."""

    kind: str
    phrase: str
    bounds: Box


def repair(contents: Contents, *, width: int, height: int) -> tuple[Contents, list[BoxFlaw]]:
    """`contents` with every box inside the image and of positive area, and what had to change for that."""
    if not isinstance(contents, PhraseGrounding):
        return contents, []
    flaws: list[BoxFlaw] = []

    def sound(phrase: GroundedPhrase) -> Iterator[Box]:
        for box in phrase.bounds:
            kept = geometry.clamp(box, width=width, height=height)
            if geometry.is_degenerate(kept, width=width, height=height):
                flaws.append(BoxFlaw("degenerate", phrase.phrase, box))
                continue
            if kept != box:
                flaws.append(BoxFlaw("clamped", phrase.phrase, box))
            yield kept

    return _with_boxes(contents, sound), flaws


def normalize(contents: Contents, *, width: int, height: int) -> Contents:
    """`contents` with x divided by the width and y by the height of the image."""
    if not isinstance(contents, PhraseGrounding):
        return contents
    return _with_boxes(
        contents,
        lambda phrase: (geometry.to_fractions(box, width=width, height=height) for box in phrase.bounds),
    )


def denormalize(contents: Contents, *, width: int, height: int) -> Contents:
    """The inverse of `normalize`, to 1/10,000 px."""
    if not isinstance(contents, PhraseGrounding):
        return contents
    return _with_boxes(
        contents,
        lambda phrase: (geometry.to_pixels(box, width=width, height=height) for box in phrase.bounds),
    )


def tidy(contents: Contents) -> Contents:
    """`contents` with pixel coordinates free of float noise."""
    if not isinstance(contents, PhraseGrounding):
        return contents
    return _with_boxes(contents, lambda phrase: map(geometry.tidy_pixels, phrase.bounds))


@dataclass(frozen=True, slots=True)
class Rendered:
    """The texts the database stores for one annotation.

    `normalized` is None where it would equal `pixels`. A `flawed` annotation has boxes that an export must
    repair and report; every other one passes through untouched.
    """

    pixels: str
    normalized: str | None
    labels: str
    flawed: bool


def render(contents: Contents, *, width: int, height: int) -> Rendered:
    """Check `contents` (boxes in pixels) and render them for storage on a `width` x `height` image.

    Raises `ContentsError`.
    """
    check(contents)
    contents = tidy(contents)
    repaired, flaws = repair(contents, width=width, height=height)
    normalized = None
    if isinstance(repaired, PhraseGrounding):
        normalized = dump(normalize(repaired, width=width, height=height))
    return Rendered(
        pixels=dump(contents),
        normalized=normalized,
        labels=dump_labels(contents),
        flawed=bool(flaws),
    )


def dump_labels(contents: Contents) -> str:
    """The `labels` of `contents` as the text the database stores."""
    return _encoder.encode(labels(contents)).decode()


def parse_labels(text: str) -> dict[str, int]:
    """The inverse of `dump_labels`."""
    return parse_many_labels([text])[0]


def parse_many_labels(texts: Sequence[str]) -> list[dict[str, int]]:
    """`parse_labels` of each of `texts`, much quicker than one by one."""
    return _labels_decoder.decode(f"[{','.join(texts)}]")


class LabelTally:
    """Labels texts added up: distinct pieces of them, and how often each is there.

    Most labels recur with the same count, so the members of all objects are cut apart, and each is decoded once. The
    cut is after a comma and before a quote. Where that quote may be the end of a label, not the beginning of one, whole
    texts are taken instead.
    """

    def __init__(self) -> None:
        self._members: Counter[str] = Counter()
        self._objects: Counter[str] = Counter()

    def __len__(self) -> int:
        """How many pieces are kept."""
        return len(self._members) + len(self._objects)

    def add(self, texts: str) -> None:
        """Count the labels texts in `texts`, one a line."""
        if ',":' in texts or "{}" in texts:
            self._objects.update(texts.split("\n"))
        else:
            self._members.update(texts.replace("}\n{", ",")[2:-1].split(',"'))

    def pieces(self) -> tuple[dict[str, int], dict[str, int]]:
        """The pieces themselves, for the tally of another process: those cut apart, and whole texts."""
        return dict(self._members), dict(self._objects)

    def add_pieces(self, members: Mapping[str, int], objects: Mapping[str, int]) -> None:
        """Add what `pieces` of another tally told."""
        self._members.update(members)
        self._objects.update(objects)

    def counts(self) -> Iterator[tuple[dict[str, int], int]]:
        """What the pieces hold, and how often each is there."""
        members = parse_many_labels([f'{{"{piece}}}' for piece in self._members])
        yield from zip(members, self._members.values(), strict=True)
        yield from zip(parse_many_labels(list(self._objects)), self._objects.values(), strict=True)


def _with_boxes(contents: PhraseGrounding, boxes: _BoxesOf) -> PhraseGrounding:
    return PhraseGrounding(
        caption=contents.caption,
        grounded_phrases=[
            msgspec.structs.replace(phrase, bounds=list(boxes(phrase))) for phrase in contents.grounded_phrases
        ],
    )
