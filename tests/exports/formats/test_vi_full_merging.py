"""Several annotations of one image make one line of a ViFull export."""

from __future__ import annotations

import pytest

from datasets.contents import GroundedPhrase, Interaction, PhraseGrounding, Vqa
from datasets.models import Dataset
from exports.formats import vi_full
from tests import cast
from tests.exports.formats.vi_fulls import Load, full, make_pictured, only_line
from tests.exports.reading import receipt
from tests.exports.vi_loader import paired

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "snapshot"])


def test_captions_are_joined_and_every_span_stays_true(valves: Dataset, load: Load) -> None:
    first = cast.grounding("A red  valve", "red  valve", (1, 1, 9, 9))
    second = cast.grounding("Two gauges, one valve", "gauges,", (10, 10, 20, 20), (30, 10, 40, 20))
    lost = GroundedPhrase(phrase="pump", start_token_index=-1, end_token_index=-1, bounds=[(2, 2, 8, 8)])
    third = PhraseGrounding("A red  valve", [lost, *cast.grounding("A red  valve", "A", (3, 3, 6, 6)).grounded_phrases])
    asset = make_pictured(valves, "a.jpg", first, second, third)
    job = full(valves, normalized=False)
    found = only_line(job)
    contents = found["contents"]
    assert contents["caption"] == "A red  valve\nTwo gauges, one valve"
    assert [phrase["phrase"] for phrase in contents["groundedPhrases"]] == ["red  valve", "gauges,", "pump", "A"]
    for phrase in contents["groundedPhrases"]:
        if phrase["phrase"] == "pump":
            assert (phrase["startTokenIndex"], phrase["endTokenIndex"]) == (-1, -1)
            assert "charSpan" not in phrase
            continue
        start, end = phrase["charSpan"]
        assert contents["caption"][start:end] == phrase["phrase"]
        words = contents["caption"].split()[phrase["startTokenIndex"] : phrase["endTokenIndex"] + 1]
        assert words == phrase["phrase"].split()
    assert [len(phrase["bounds"]) for phrase in contents["groundedPhrases"]] == [1, 2, 1, 1]
    uids = list(asset.annotations.order_by("pk").values_list("uid", flat=True))
    assert [origin["id"] for origin in found["merged_from"]] == uids
    assert found["id"] == uids[0]
    assert receipt(job)["totals"]["annotations"] == {"asked": 3, "written": 3, "skipped": 0}
    assert receipt(job)["totals"]["boxes"]["written"] == 5
    assert len(paired(load(job)["dump"])) == 1


def test_interactions_are_joined_and_numbered_anew(load: Load) -> None:
    questions = cast.make_dataset(name="Questions", type="vqa")
    make_pictured(questions, "a.jpg", cast.qa(("One?", "1"), ("Two?", "2")), Vqa([Interaction(7, "Three?", "3")]))
    interactions = paired(load(full(questions))["dump"])["a.jpg"]["contents"]["interactions"]
    assert [(each["order"], each["question"], each["answer"]) for each in interactions] == [
        (1, "One?", "1"),
        (2, "Two?", "2"),
        (3, "Three?", "3"),
    ]


def test_texts_are_joined(load: Load) -> None:
    notes = cast.make_dataset(name="Notes", type="freeform")
    make_pictured(notes, "a.jpg", cast.freeform("Dirty."), cast.freeform("Dented."))
    assert paired(load(full(notes))["dump"])["a.jpg"]["contents"]["caption"] == "Dirty.\nDented."


def test_a_category_is_told_where_it_is_one(valves: Dataset) -> None:
    asset = cast.make_asset(valves, "a.jpg", image=cast.jpeg())
    for _ in range(2):
        cast.make_annotation(asset, category="défaut")
    assert only_line(full(valves))["category"] == "défaut"
    cast.make_annotation(asset, category="other")
    found = only_line(full(valves))
    assert "category" not in found
    assert [origin["category"] for origin in found["merged_from"]] == ["défaut", "défaut", "other"]


def test_merging_one_changes_nothing() -> None:
    for contents in (cast.grounding(), cast.qa()):
        assert vi_full.merged([contents]) == contents
