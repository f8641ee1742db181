"""Box arithmetic: fractions and pixels, the border, and boxes without area."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets import geometry
from datasets.geometry import Box

sides = st.integers(1, 20_000)
coordinates = st.floats(-1e5, 1e5, allow_nan=False)
boxes = st.tuples(coordinates, coordinates, coordinates, coordinates)


def test_the_example_of_the_documentation() -> None:
    assert geometry.to_fractions((100, 200, 500, 800), width=1000, height=800) == (0.1, 0.25, 0.5, 1)
    assert geometry.to_pixels((0.1, 0.25, 0.5, 1), width=1000, height=800) == (100, 200, 500, 800)


@pytest.mark.parametrize(
    ("value", "decimals", "written"),
    [
        (324.0, 4, "324"),
        (0.1 + 0.2, 8, "0.3"),
        (1 / 3, 8, "0.33333333"),
        (-0.0, 4, "0"),
        (2.00004, 4, "2"),
        (7, 4, "7"),
    ],
)
def test_numbers_are_written_without_noise(value: float, decimals: int, written: str) -> None:
    assert json.dumps(geometry.tidy(value, decimals)) == written


def test_a_box_that_touches_the_border_is_left_as_it_is() -> None:
    assert geometry.clamp((0, 0, 10, 20), width=10, height=20) == (0, 0, 10, 20)
    assert geometry.clamp((-0.01, 0, 10, 20.01), width=10, height=20) == (0, 0, 10, 20)


@pytest.mark.parametrize(
    ("box", "degenerate"),
    [
        ((0, 0, 10, 10), False),
        ((5, 5, 5, 9), True),
        ((5, 5, 9, 5), True),
        ((9, 0, 5, 10), True),
        ((5, 5, 5.000001, 9), True),
        ((5, 5, 5.01, 9), False),
    ],
)
def test_a_box_without_area_is_degenerate(box: Box, degenerate: bool) -> None:
    assert geometry.is_degenerate(box, width=1000, height=1000) is degenerate


def is_inside(box: Box, width: int, height: int) -> bool:
    xmin, ymin, xmax, ymax = box
    return min(box) >= 0 and max(xmin, xmax) <= width and max(ymin, ymax) <= height


@settings(max_examples=200, deadline=None)
@given(boxes, sides, sides)
def test_clamping_keeps_what_is_inside_and_nothing_else(box: Box, width: int, height: int) -> None:
    clamped = geometry.clamp(box, width=width, height=height)
    assert is_inside(clamped, width, height)
    assert geometry.clamp(clamped, width=width, height=height) == clamped
    if is_inside(box, width, height):
        assert clamped == box


@settings(max_examples=200, deadline=None)
@given(st.tuples(*[st.floats(0, 1)] * 4), sides, sides)
def test_there_and_back_stays_within_a_hundredth_of_a_pixel(box: Box, width: int, height: int) -> None:
    pixels = geometry.to_pixels(box, width=width, height=height)
    again = geometry.to_pixels(geometry.to_fractions(pixels, width=width, height=height), width=width, height=height)
    assert again == pytest.approx(pixels, abs=0.01)
