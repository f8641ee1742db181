"""Captions of a scene in which every phrase has its words and its boxes. No Django."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random

from datasets.contents import GroundedPhrase, PhraseGrounding
from datasets.demo.scene import Placed, Scene
from datasets.demo.things import Surface
from datasets.geometry import Box

_NUMBERS = ("", "", "two", "three", "four", "five", "six")
_PLACES: dict[Surface, str] = {"wall": " on the wall", "shelf": " on the shelf", "workbench": " on the workbench"}


@dataclass(frozen=True, slots=True)
class _Group:
    """Things one phrase speaks of: alike, and in one place."""

    phrase: str
    is_one: bool
    boxes: list[Box]


def describe(scene: Scene, random: Random) -> list[PhraseGrounding]:
    """One caption of everything in the scene, and sometimes a second one of a part of it."""
    by_place = [
        (surface, groups)
        for surface in random.sample(list(_PLACES), len(_PLACES))
        if (groups := _groups(scene.things, surface))
    ]
    captions = [_caption(by_place, random)]
    if len(by_place) > 1 and random.random() < 0.25:
        captions.append(_caption(by_place[:1], random))
    return captions


def _groups(things: Iterable[Placed], surface: Surface) -> list[_Group]:
    alike: dict[tuple[str, str], list[Placed]] = {}
    for placed in things:
        if placed.surface == surface:
            alike.setdefault((placed.color, placed.thing.singular), []).append(placed)
    groups = []
    for (color, noun), members in alike.items():
        number = len(members)
        words = [_NUMBERS[number], color, noun if number == 1 else members[0].thing.plural]
        groups.append(_Group(" ".join(filter(None, words)), number == 1, [placed.box for placed in members]))
    return groups


def _caption(by_place: Sequence[tuple[Surface, list[_Group]]], random: Random) -> PhraseGrounding:
    """Such as “Two gauges on the wall, a green mug and a plant on the workbench”."""
    pieces: list[str | _Group] = [random.choice(("A workshop with ", "This workshop has ", "A drawing of "))]
    if by_place[0][1][0].is_one and random.random() < 0.5:
        pieces = []
    for number, (surface, groups) in enumerate(by_place):
        if number:
            pieces.append(" and " if number == len(by_place) - 1 else ", ")
        for position, group in enumerate(groups):
            if position:
                pieces.append(" and " if position == len(groups) - 1 else ", ")
            pieces += [_article(group), group]
        pieces.append(_PLACES[surface])
    return _grounded(pieces)


def _article(group: _Group) -> str:
    if not group.is_one:
        return ""
    return "an " if group.phrase[0] in "aeiou" else "a "


def _grounded(pieces: Sequence[str | _Group]) -> PhraseGrounding:
    caption, phrases = "", []
    for piece in pieces:
        if isinstance(piece, str):
            caption += piece if caption else piece[:1].upper() + piece[1:]
            continue
        start, first = len(caption), len(caption.split())
        caption += piece.phrase
        phrases.append(
            GroundedPhrase(
                phrase=piece.phrase,
                start_token_index=first,
                end_token_index=first + len(piece.phrase.split()) - 1,
                char_span=(start, len(caption)),
                bounds=piece.boxes,
            )
        )
    return PhraseGrounding(caption, phrases)
