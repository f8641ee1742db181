"""The filter of the Assets page: from a query, to rows, to words, and back."""

from __future__ import annotations

import pytest
from django.http import QueryDict

from datasets.filters import MAX_TEXT, AssetFilter
from datasets.models import Dataset
from tests import cast


@pytest.fixture
def shelf(valves: Dataset) -> Dataset:
    """Three assets: a red valve, a "blue \\"big\\" valve" and one without annotations."""
    for filename, phrase in (("Line_07.jpg", "red valve"), ("line_08.jpg", 'blue "big" valve')):
        cast.make_annotation(cast.make_asset(valves, filename), cast.grounding(f"A {phrase}", phrase))
    cast.make_asset(valves, "bench.jpg")
    return valves


def passing(dataset: Dataset, filter_: AssetFilter) -> list[str]:
    return [asset.filename for asset in filter_.apply(dataset.assets.order_by("pk"))]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["Line_07.jpg", "line_08.jpg", "bench.jpg"]),
        ("search=LINE_0", ["Line_07.jpg", "line_08.jpg"]),
        ("search=%2507", []),
        ("annotated=yes", ["Line_07.jpg", "line_08.jpg"]),
        ("annotated=no", ["bench.jpg"]),
        ("annotated=maybe", ["Line_07.jpg", "line_08.jpg", "bench.jpg"]),
        ("label=red+valve", ["Line_07.jpg"]),
        ("label=valve", []),
        ("label=Red+valve", []),
        ("label=blue+%22big%22+valve", ["line_08.jpg"]),
        ("label=big", []),
        ("search=08&label=red+valve", []),
        ("search=07&annotated=yes&label=red+valve", ["Line_07.jpg"]),
        ("other=1", ["Line_07.jpg", "line_08.jpg", "bench.jpg"]),
    ],
)
def test_a_query_chooses_assets(shelf: Dataset, query: str, expected: list[str]) -> None:
    assert passing(shelf, AssetFilter.parse(QueryDict(query))) == expected


def test_a_label_that_is_not_the_first_is_found(valves: Dataset) -> None:
    cells = cast.make_dataset(name="Cells", type="vqa")
    asset = cast.make_asset(cells)
    cast.make_annotation(asset, cast.qa(("a?", "Yes"), ("b?", "No")))
    assert passing(cells, AssetFilter(label="No")) == [asset.filename]


def test_what_is_set_survives_every_form() -> None:
    full = AssetFilter(search="ligne 07 é", annotated="yes", label="a & b=c")
    assert AssetFilter.parse(full.as_dict()) == full
    assert AssetFilter.parse(QueryDict(full.as_query())) == full
    assert AssetFilter.parse({}) == AssetFilter()
    assert AssetFilter().as_dict() == {}
    assert AssetFilter().as_query() == ""
    assert bool(full)
    assert not AssetFilter()


def test_the_filter_in_words() -> None:
    assert AssetFilter().in_words() == ""
    full = AssetFilter(search="line", annotated="no", label="red valve")
    assert full.in_words() == "the file name contains “line” and there are no annotations and a label is “red valve”"
    assert AssetFilter(annotated="yes").in_words() == "there are annotations"


def test_nonsense_is_cut_and_left_out(shelf: Dataset) -> None:
    filter_ = AssetFilter.parse({"search": " \x00" + "x" * 500, "annotated": ["yes"], "label": None})
    assert filter_ == AssetFilter(search="x" * MAX_TEXT)
    assert passing(shelf, filter_) == []
