"""Names that pair: whatever the files of a dataset are called, both folders list in the same order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets import names
from exports.stems import Clashes, paired_name


def paired(*member_names: str) -> list[str]:
    """What assets of these names are called, in order; the row ids are the places."""
    keys = [names.collision_key(name) for name in member_names]
    clashes = Clashes.among(sorted(enumerate(keys), key=lambda row: row[1].encode()))
    return [
        paired_name(name, uid=f"asset-{place}", mime_type="image/png", clashes=place in clashes)
        for place, name in enumerate(member_names)
    ]


def stem(name: str) -> str:
    return name.rpartition(".")[0]


def test_a_name_that_needs_no_change_has_none_but_a_small_extension() -> None:
    assert paired("a.JPG", "b.v2.png", "c d é.jpeg") == ["a.jpg", "b.v2.png", "c d é.jpeg"]


def test_two_with_one_stem_are_both_marked() -> None:
    first, second, third = paired("a.jpg", "A.png", "b.png")
    assert (first[:2], second[:2], third) == ("a~", "A~", "b.png")
    assert names.collision_key(stem(first)) != names.collision_key(stem(second))


def test_a_stem_that_goes_on_after_a_dot_where_another_ends() -> None:
    shorter, longer = paired("a.png", "a.o.jpg")
    assert longer == "a.o.jpg"
    assert shorter.startswith("a~")


@pytest.mark.parametrize("name", ["scan", "scan.raw", ".jpg", "a~12345678.jpg"])
def test_a_name_without_an_extension_or_with_a_mark_gets_both(name: str) -> None:
    [found] = paired(name)
    assert "~" in found
    assert found.endswith((".png", ".jpg"))
    assert "." not in stem(found)


parts = st.sampled_from(["a", "A", "b", "o", ".", "..", "~", "-", "é", "ß", "ss", "z", "/"[:0]])
extensions = st.sampled_from([".jpg", ".JPG", ".png", ".gif", ".tiff", ".raw", ""])
filenames = st.tuples(st.lists(parts, max_size=4).map("".join), extensions).map("".join).map(names.member_name)


@given(st.lists(filenames, max_size=12, unique_by=names.collision_key))
def test_every_pair_is_found_by_its_place_in_the_listings(member_names: list[str]) -> None:
    images = paired(*member_names)
    assert len({names.collision_key(stem(image)) for image in images}) == len(images)
    lines = sorted(f"{stem(image)}.jsonl" for image in images)
    assert [stem(image) for image in sorted(images)] == [stem(line) for line in lines]
