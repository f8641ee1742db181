"""What can be asked, and how it is told and kept."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets.filters import AssetFilter
from datasets.models import Dataset
from exports.spec import MAX_SEED, ExportSpec, SpecError, parse_ratio, parse_seed
from tests import cast
from vi_portal.accounts.models import Organization

filters = st.builds(
    AssetFilter, search=st.text(max_size=5), annotated=st.sampled_from(["", "yes", "no"]), label=st.text(max_size=5)
).map(lambda given: AssetFilter.parse(given.as_dict()))

specs = st.builds(
    ExportSpec,
    format=st.sampled_from(["ViJsonl", "ViTfrecord", "ViFull"]),
    include_images=st.booleans(),
    validation_ratio=st.none() | st.decimals(0, 1, places=4),
    normalized=st.booleans(),
    seed=st.none() | st.integers(0, MAX_SEED),
    filter=filters,
)


@given(specs)
def test_a_spec_survives_its_row(spec: ExportSpec) -> None:
    assert ExportSpec.from_dict(spec.as_dict()) == spec


@given(st.decimals(0, 1, places=12))
def test_every_plain_number_from_0_to_1_is_a_ratio(number: Decimal) -> None:
    assert parse_ratio(f"{number:f}") == number


def parsed(parse: Callable[[str], Any], typed: str) -> Any:
    """What `typed` is read as, or the error it is refused with."""
    try:
        return parse(typed)
    except SpecError as error:
        return error


@given(st.text())
def test_whatever_is_typed_is_a_ratio_from_0_to_1_or_refused(typed: str) -> None:
    ratio = parsed(parse_ratio, typed)
    if isinstance(ratio, SpecError):
        assert ratio.field == "validation_ratio"
    else:
        assert 0 <= ratio <= 1


@given(st.text() | st.integers().map(str))
def test_whatever_is_typed_is_a_seed_or_refused(typed: str) -> None:
    seed = parsed(parse_seed, typed)
    if isinstance(seed, SpecError):
        assert seed.field == "seed"
    elif typed.strip():
        assert 0 <= seed <= MAX_SEED
    else:
        assert seed is None


def test_a_fresh_seed_is_drawn_for_each_split() -> None:
    split = ExportSpec(validation_ratio=Decimal("0.2"))
    seeds = {split.resolved().seed for _ in range(20)}
    assert None not in seeds
    assert len(seeds) > 1


def test_a_seed_typed_is_kept_and_one_without_a_split_is_dropped() -> None:
    assert ExportSpec(validation_ratio=Decimal("0.2"), seed=7).resolved().seed == 7
    assert ExportSpec(seed=7).resolved().seed is None


def test_a_format_must_fit_the_dataset(acme: Organization, valves: Dataset) -> None:
    notes = cast.make_dataset(acme, name="Notes", type="freeform")
    ExportSpec("ViJsonl").check(notes)
    ExportSpec("ViTfrecord").check(valves)
    with pytest.raises(SpecError, match=r"TFRecord cannot hold freeform annotations\. Choose one of: ViJsonl"):
        ExportSpec("ViTfrecord").check(notes)
    with pytest.raises(SpecError, match="“Zip” is not a format"):
        ExportSpec("Zip").check(valves)


def test_a_spec_in_words() -> None:
    assert ExportSpec().in_words() == "Vi JSONL, annotations only, boxes in pixels"
    everything = ExportSpec(
        format="ViTfrecord",
        include_images=True,
        validation_ratio=Decimal("0.2"),
        normalized=True,
        seed=7,
        filter=AssetFilter(search="line"),
    )
    for words in ("TFRecord", "with images", "normalized boxes", "0.2 to validation (seed 7)", "“line”"):
        assert words in everything.in_words()


def test_a_format_that_is_nothing_without_images_has_them_asked_or_not() -> None:
    assert ExportSpec("ViFull").include_images
    assert ExportSpec("ViFull").in_words() == "ViFull, with images, boxes in pixels"
    assert not ExportSpec("ViTfrecord").include_images


def test_a_format_that_is_no_longer_known_is_still_told() -> None:
    assert ExportSpec("Gone").in_words().startswith("Gone, ")
