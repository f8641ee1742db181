"""Box arithmetic: pixels to fractions, clamping to the image, and numbers without float noise.

A box is `(xmin, ymin, xmax, ymax)` in the stored pixel frame: origin top left, x to the right, y down,
EXIF orientation not applied. Pure functions; no Django.
"""

from __future__ import annotations

from array import array
from typing import TypeAlias

Number: TypeAlias = int | float
Box: TypeAlias = tuple[Number, Number, Number, Number]

PIXEL_DECIMALS = 4
FRACTION_DECIMALS = 8


def tidy(value: Number, decimals: int) -> Number:
    """`value` rounded to `decimals`, as an int where it is whole: 324.0 is 324, 0.1 + 0.2 is 0.3."""
    rounded = round(value, decimals)
    return int(rounded) if rounded == int(rounded) else rounded


def tidy_pixels(box: Box) -> Box:
    """`box` with every coordinate rounded to 1/10,000 px."""
    xmin, ymin, xmax, ymax = box
    return (
        tidy(xmin, PIXEL_DECIMALS),
        tidy(ymin, PIXEL_DECIMALS),
        tidy(xmax, PIXEL_DECIMALS),
        tidy(ymax, PIXEL_DECIMALS),
    )


def to_pixels(box: Box, *, width: int, height: int) -> Box:
    """A box in fractions of the image, in pixels."""
    xmin, ymin, xmax, ymax = box
    return tidy_pixels((xmin * width, ymin * height, xmax * width, ymax * height))


def to_fractions(box: Box, *, width: int, height: int) -> Box:
    """A box in pixels, in fractions of the image: (100, 200) on 1000 x 800 is (0.1, 0.25)."""
    xmin, ymin, xmax, ymax = box
    return (
        tidy(xmin / width, FRACTION_DECIMALS),
        tidy(ymin / height, FRACTION_DECIMALS),
        tidy(xmax / width, FRACTION_DECIMALS),
        tidy(ymax / height, FRACTION_DECIMALS),
    )


def clamp(box: Box, *, width: int, height: int) -> Box:
    """The part of `box` inside the image; it may be degenerate."""
    xmin, ymin, xmax, ymax = box
    return (
        min(max(xmin, 0), width),
        min(max(ymin, 0), height),
        min(max(xmax, 0), width),
        min(max(ymax, 0), height),
    )


def is_degenerate(box: Box, *, width: int, height: int) -> bool:
    """Whether `box` has no area left once written, in pixels or in fractions, as float32 where a format has no more."""

    def flat(candidate: Box) -> bool:
        xmin, ymin, xmax, ymax = array("f", candidate)
        return not (xmin < xmax and ymin < ymax)

    return flat(box) or flat(to_fractions(box, width=width, height=height))
