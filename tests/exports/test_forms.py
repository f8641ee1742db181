"""What the dialog's fields become."""

from __future__ import annotations

from decimal import Decimal

import pytest

from datasets.filters import AssetFilter
from datasets.models import Dataset
from exports.forms import ExportForm
from exports.spec import ExportSpec
from tests import cast
from vi_portal.accounts.models import Organization

FIELDS = {"format": "ViJsonl", "validation_ratio": "0.2", "seed": ""}


def filled(dataset: Dataset, **fields: str) -> ExportForm:
    return ExportForm(FIELDS | fields, dataset=dataset)


def test_every_option_is_parsed(valves: Dataset) -> None:
    form = filled(
        valves,
        format="ViTfrecord",
        include_images="on",
        split="on",
        validation_ratio=" 0.25 ",
        normalized="on",
        seed="7",
        filtered="on",
        search="line",
        annotated="yes",
        label=" red valve",
    )
    assert form.is_valid()
    assert form.spec == ExportSpec(
        format="ViTfrecord",
        include_images=True,
        validation_ratio=Decimal("0.25"),
        normalized=True,
        seed=7,
        filter=AssetFilter(search="line", annotated="yes", label=" red valve"),
    )


def test_what_is_not_asked_is_off(valves: Dataset) -> None:
    form = filled(valves)
    assert form.is_valid()
    assert form.spec == ExportSpec()


@pytest.mark.parametrize("typed", ["1.2", "-0.1", "nan", "1e400", "0,2", "text", "", "  ", "٠.٢", "0.2\x00"])
def test_a_ratio_that_is_none_is_refused_beside_its_field(valves: Dataset, typed: str) -> None:
    form = filled(valves, split="on", validation_ratio=typed)
    assert not form.is_valid()
    [field] = form.errors
    assert field == "validation_ratio"
    assert form.spec.validation_ratio is None


@pytest.mark.parametrize(("typed", "ratio"), [("0", "0"), ("1", "1"), ("0.5", "0.5"), (".5", "0.5"), ("1.0", "1")])
def test_a_ratio_from_0_to_1_is_taken(valves: Dataset, typed: str, ratio: str) -> None:
    assert filled(valves, split="on", validation_ratio=typed).spec.validation_ratio == Decimal(ratio)


def test_the_sentence_says_what_is_allowed(valves: Dataset) -> None:
    [sentence] = filled(valves, split="on", validation_ratio="0,2").errors["validation_ratio"]
    assert "“0,2” is not a ratio" in sentence
    assert "like 0.2" in sentence


def test_without_the_split_ratio_and_seed_do_not_count(valves: Dataset) -> None:
    form = filled(valves, validation_ratio="nonsense", seed="nonsense")
    assert form.is_valid()
    assert form.spec.validation_ratio is None
    assert form.spec.seed is None


@pytest.mark.parametrize("typed", ["-1", "1.5", "seven", "99999999999999999"])
def test_a_seed_that_is_none_is_refused(valves: Dataset, typed: str) -> None:
    assert list(filled(valves, split="on", seed=typed).errors) == ["seed"]


def test_a_format_that_cannot_hold_the_dataset_is_refused(acme: Organization) -> None:
    notes = cast.make_dataset(acme, name="Notes", type="freeform")
    [sentence] = filled(notes, format="ViTfrecord").errors["format"]
    assert "TFRecord cannot hold freeform annotations" in sentence
    assert [card.format.key for card in filled(notes).cards] == ["ViJsonl", "ViFull"]


@pytest.mark.parametrize("key", ["", "Zip", "<script>"])
def test_an_unknown_format_is_refused(valves: Dataset, key: str) -> None:
    assert list(filled(valves, format=key).errors) == ["format"]


def test_a_filter_can_be_dropped(valves: Dataset) -> None:
    form = filled(valves, search="line")
    assert form.carried == AssetFilter(search="line")
    assert form.spec.filter == AssetFilter()


def test_the_dialog_opens_with_the_default_format_and_its_images(valves: Dataset) -> None:
    form = ExportForm.blank(valves, AssetFilter(search="line"))
    assert form.is_valid()
    assert form.spec == ExportSpec(include_images=True, filter=AssetFilter(search="line"))
    assert [(card.format.key, card.chosen) for card in form.cards] == [
        ("ViJsonl", True),
        ("ViTfrecord", False),
        ("ViFull", False),
    ]


def test_a_format_that_leaves_no_choice_of_images_has_them(valves: Dataset) -> None:
    form = filled(valves, format="ViFull")
    assert form.is_valid()
    assert form.images_always
    assert form.spec == ExportSpec("ViFull", include_images=True)
    assert not filled(valves, format="ViTfrecord").images_always
