"""Changing one part of an annotation: its text, or one of its boxes. Pure; no Django.

A record is edited as the API shows it: a caption, and boxes numbered from 1 through all phrases. Phrases keep what
they point at; where the caption changes, they are looked for in the new one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from datasets.contents import Contents, Freeform, GroundedPhrase, Interaction, PhraseGrounding, Vqa
from datasets.geometry import Box
from datasets.imports import spans

_FORM = "Write questions and answers as “Q: …” and “A: …”, each on a line of its own."


class EditRefused(ValueError):
    """The change makes no sense; the message is a sentence."""


@dataclass(frozen=True, slots=True)
class _Spot:
    """Where a box is: the phrase's index, and the box's index in it."""

    phrase: int
    box: int


def with_text(contents: Contents, text: str) -> Contents:
    """`contents` that say `text`: the caption, the free text, or questions and answers as the API shows them.

    Raises `EditRefused`.
    """
    match contents:
        case Freeform():
            return Freeform(text)
        case Vqa():
            return Vqa([Interaction(order, *pair) for order, pair in enumerate(_pairs(text), 1)])
        case PhraseGrounding(grounded_phrases=phrases):
            hints = [spans.Hint(phrase.phrase) for phrase in phrases]
            placed = zip(phrases, spans.locate(text, hints), strict=True)
            return PhraseGrounding(text, [_placed(phrase, span) for phrase, span in placed])


def with_box(
    contents: Contents, number: int, *, box: Box | None = None, target: tuple[int, int] | None = None
) -> Contents:
    """`contents` with box `number` elsewhere (in px), or pointing at other words of the caption: the first and the
    last, counted from 0. Raises `EditRefused`."""
    grounding, spot = _spotted(contents, number)
    phrases = list(grounding.grounded_phrases)
    phrase = phrases[spot.phrase]
    box = phrase.bounds[spot.box] if box is None else box
    if target in (None, (phrase.start_token_index, phrase.end_token_index)):
        phrases[spot.phrase] = _changed(phrase, lambda bounds: [*bounds[: spot.box], box, *bounds[spot.box + 1 :]])
        return PhraseGrounding(grounding.caption, phrases)
    assert target is not None
    # The phrase is split around the box, so that every box keeps its number.
    before = _changed(phrase, lambda bounds: bounds[: spot.box])
    after = _changed(phrase, lambda bounds: bounds[spot.box + 1 :])
    split = [before, _phrase_at(grounding.caption, target, box), after]
    phrases[spot.phrase : spot.phrase + 1] = [each for each in split if each.bounds]
    return PhraseGrounding(grounding.caption, phrases)


def without_box(contents: Contents, number: int) -> Contents:
    """`contents` without box `number`; its phrase goes with its last box. Raises `EditRefused`."""
    grounding, spot = _spotted(contents, number)
    phrases = list(grounding.grounded_phrases)
    rest = _changed(phrases[spot.phrase], lambda bounds: [*bounds[: spot.box], *bounds[spot.box + 1 :]])
    phrases[spot.phrase : spot.phrase + 1] = [rest] if rest.bounds else []
    return PhraseGrounding(grounding.caption, phrases)


def has_box(contents: Contents, number: int) -> bool:
    """Whether `contents` has a box `number`."""
    try:
        _spotted(contents, number)
    except EditRefused:
        return False
    return True


def box_of_corners(corners: Sequence[Sequence[float]]) -> Box:
    """The box around `corners`. Raises `EditRefused` for less than two."""
    if len(corners) < 2 or any(len(corner) != 2 for corner in corners):
        raise EditRefused("“bound” must list the corners of the box as [x, y] each.")
    xs, ys = [corner[0] for corner in corners], [corner[1] for corner in corners]
    return (min(xs), min(ys), max(xs), max(ys))


def _pairs(text: str) -> list[tuple[str, str]]:
    """The questions and answers in `text`; a line that begins another question may go on with one that has no answer.

    Raises `EditRefused`.
    """
    if not text.startswith("Q: "):
        raise EditRefused(_FORM)
    pairs: list[tuple[str, str]] = []
    asked: list[str] = []
    for piece in text.removeprefix("Q: ").split("\nQ: "):
        question, answered, answer = piece.partition("\nA: ")
        asked.append(question)
        if answered:
            pairs.append(("\nQ: ".join(asked), answer))
            asked = []
    if asked:
        raise EditRefused(_FORM)
    return pairs


def _spotted(contents: Contents, number: int) -> tuple[PhraseGrounding, _Spot]:
    if isinstance(contents, PhraseGrounding):
        left = number
        for index, phrase in enumerate(contents.grounded_phrases):
            if 0 < left <= len(phrase.bounds):
                return contents, _Spot(index, left - 1)
            left -= len(phrase.bounds)
    raise EditRefused(f"The annotation has no box {number}.")


def _changed(phrase: GroundedPhrase, change: Callable[[list[Box]], list[Box]]) -> GroundedPhrase:
    return msgspec.structs.replace(phrase, bounds=change(phrase.bounds))


def _placed(phrase: GroundedPhrase, span: spans.Span) -> GroundedPhrase:
    return msgspec.structs.replace(
        phrase, start_token_index=span.start_token, end_token_index=span.end_token, char_span=span.characters
    )


def _phrase_at(caption: str, target: tuple[int, int], box: Box) -> GroundedPhrase:
    words = list(re.finditer(r"\S+", caption))
    first, last = target
    if not 0 <= first <= last < len(words):
        raise EditRefused(f"“target” [{first}, {last}] is not in the caption, which has {len(words)} words.")
    start, end = words[first].start(), words[last].end()
    return GroundedPhrase(
        phrase=caption[start:end],
        start_token_index=first,
        end_token_index=last,
        char_span=(start, end),
        bounds=[box],
    )
