"""Reading boxes in the shapes they come in. Pure; no Django.

A box is four numbers `[xmin, ymin, xmax, ymax]`, or `{x, y, width, height}`, or the corner points of a rectangle.
Whether the numbers are pixels or fractions of the image is decided for a whole line: see `are_fractions`.
"""

from __future__ import annotations

from collections.abc import Iterable

from datasets.geometry import Box, Number
from datasets.imports.fields import Json, JsonObject, Unreadable, as_list, first

#: No coordinate of an image is near this; larger numbers are mistakes.
MAX_COORDINATE = 1_000_000_000

#: A fraction may be this much above 1, from the rounding of whoever divided.
_NOISE = 1e-6
_KEYS = ("bounds", "bound", "bbox", "boxes")


def read_boxes(phrase: JsonObject) -> list[Box]:
    """The boxes of a grounded phrase, as they came. Raises `Unreadable`."""
    value = first(phrase, *_KEYS)
    if value is None:
        return []
    if isinstance(value, dict):
        return [_from_sides(value)]
    boxes = as_list(value, "“bounds”")
    if _is_one_box(boxes):
        return [_box(boxes)]
    return [_from_sides(box) if isinstance(box, dict) else _box(as_list(box, "A box")) for box in boxes]


def are_fractions(boxes: Iterable[Box]) -> bool:
    """Whether `boxes`, all those of one line, are fractions of the image: no number is above 1."""
    return all(number <= 1 + _NOISE for box in boxes for number in box)


def _is_one_box(value: list[Json]) -> bool:
    """Whether `value` is a box itself, not a list of boxes: four numbers, or points of two."""
    if not value:
        return False
    return all(not isinstance(item, list | dict) for item in value) or all(
        isinstance(item, list) and len(item) == 2 for item in value
    )


def _box(value: list[Json]) -> Box:
    if len(value) == 4 and all(isinstance(item, list) and len(item) == 2 for item in value):
        points = [(_number(x), _number(y)) for x, y in value]  # type: ignore[misc, has-type]  # pairs, by the check above
        xs, ys = zip(*points, strict=True)
        return (min(xs), min(ys), max(xs), max(ys))
    if len(value) != 4:
        raise Unreadable(f"A box must be four numbers [xmin, ymin, xmax, ymax], not {len(value)}.")
    xmin, ymin, xmax, ymax = map(_number, value)
    return (xmin, ymin, xmax, ymax)


def _from_sides(value: JsonObject) -> Box:
    try:
        x, y, width, height = (_number(value[key]) for key in ("x", "y", "width", "height"))
    except KeyError as error:
        raise Unreadable(f"A box {{x, y, width, height}} has no {error}.") from error
    return (x, y, x + width, y + height)


def _number(value: Json) -> Number:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Unreadable("A coordinate of a box is not a number.")
    if not abs(value) <= MAX_COORDINATE:
        raise Unreadable("A coordinate of a box is out of range.")
    return value
