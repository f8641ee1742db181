"""What a body asks to change in an annotation: read, checked, and turned into the annotation's new contents."""

from __future__ import annotations

from typing import Any

from datasets import geometry
from datasets.api import annotation_edits
from datasets.api.annotation_edits import EditRefused
from datasets.api.schemas.annotations import BOX, CAPTION
from datasets.contents import Contents
from datasets.geometry import Box
from datasets.models import Annotation, Asset


def edited(annotation: Annotation, box: int | None, body: dict[str, Any], *, complete: bool) -> Contents:
    """The contents of `annotation` once `body` is done to it as a whole, or to its `box` alone.

    With `complete`, nothing may be left out. Raises `EditRefused`.
    """
    given = _contents_in(body)
    kind = BOX if box else CAPTION
    if given.get("kind", kind) != kind:
        raise EditRefused(f"This annotation is a {kind}; it cannot become a {str(given['kind'])[:50]}.")
    if box is None:
        text = given.get("contents")
        if not isinstance(text, str) or "\x00" in text:
            raise EditRefused("Give the text as “contents” in “spec.contents”.")
        return annotation_edits.with_text(annotation.parsed, text)
    corners, target = given.get("bound"), given.get("target")
    if complete and (corners is None or target is None):
        raise EditRefused("Give “bound” and “target”, both; to change one of them alone, use PATCH.")
    return annotation_edits.with_box(
        annotation.parsed,
        box,
        box=None if corners is None else _in_pixels(corners, annotation.asset),
        target=None if target is None else _target(target),
    )


def _contents_in(given: dict[str, Any]) -> dict[str, Any]:
    """The contents in a body: at `spec.contents`, at `contents`, or the body itself; `caption` will do for a text."""
    spec = given.get("spec", given)
    found = spec.get("contents", spec) if isinstance(spec, dict) else spec
    if isinstance(found, str):
        found = {"contents": found}
    if not isinstance(found, dict):
        raise EditRefused("“spec.contents” must be an object.")
    if "contents" not in found and isinstance(found.get("caption"), str):
        found = {"contents": found["caption"]}
    return {key: value for key, value in found.items() if key != "kind" or value in (CAPTION, BOX)}


def _in_pixels(corners: Any, asset: Asset) -> Box:
    numbers = isinstance(corners, list) and all(
        isinstance(corner, list) and all(type(number) in (int, float) for number in corner) for corner in corners
    )
    if not numbers:
        raise EditRefused("“bound” must list the corners of the box as [x, y] each, in fractions of the image.")
    left, top, right, bottom = box = annotation_edits.box_of_corners(corners)
    if not (max(left, 0) < min(right, 1) and max(top, 0) < min(bottom, 1) and max(map(abs, box)) < 1e6):
        raise EditRefused("“bound” must be a box with an area inside the image, in fractions of it: from 0 to 1.")
    return geometry.to_pixels(box, width=asset.width, height=asset.height)


def _target(given: Any) -> tuple[int, int]:
    if not isinstance(given, list) or len(given) != 2 or not all(type(number) is int for number in given):
        raise EditRefused("“target” must be two whole numbers: the first and the last word.")
    return given[0], given[1]
