"""Every shape a line may have becomes the same contents; what makes no sense is refused with a sentence."""

from __future__ import annotations

from typing import Any

import pytest

from datasets.contents import Freeform, Interaction, PhraseGrounding, Vqa
from datasets.imports.fields import Unreadable
from datasets.imports.readers import read_record
from datasets.imports.records import Record, RecordAnnotation
from tests import cast
from tests.datasets.imports.importing import exported, line, vqa_line

PHRASE = {"phrase": "red valve"}
CAPTION = "A red valve left of two gauges"
BOX = (100, 200, 300, 400)


def only(record: Record) -> RecordAnnotation:
    [annotation] = record.annotations
    assert isinstance(annotation, RecordAnnotation)
    return annotation


def flat(**changes: Any) -> dict[str, Any]:
    return {"asset_id": "asset-7", "caption": CAPTION, "grounded_phrases": [PHRASE | {"bbox": list(BOX)}]} | changes


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(line(), id="one annotation"),
        pytest.param(exported(), id="our export"),
        pytest.param(flat(), id="guide: flat"),
        pytest.param({"asset_id": "asset-7", "contents": flat()}, id="guide: contents"),
        pytest.param(flat(grounded_phrases=[PHRASE | {"bound": [list(BOX)]}]), id="bound, a list of boxes"),
        pytest.param(
            flat(grounded_phrases=[PHRASE | {"bounds": [{"x": 100, "y": 200, "width": 200, "height": 200}]}]),
            id="sides",
        ),
        pytest.param(
            flat(grounded_phrases=[PHRASE | {"bound": [[100, 200], [300, 200], [300, 400], [100, 400]]}]),
            id="corner points",
        ),
        pytest.param(line(extra={"anything": [1]}, type="x"), id="keys unknown to us"),
        pytest.param(line(contents=line()["contents"] | {"type": "phrase-grounding"}), id="the type in other words"),
    ],
)
def test_every_shape_of_a_grounding_gives_the_same_contents(value: dict[str, Any]) -> None:
    assert only(read_record(value, PhraseGrounding)).contents == cast.grounding()


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(vqa_line(), id="interactions"),
        pytest.param({"asset_id": "x", "contents": {"question": "Is the valve open?", "answer": "No"}}, id="a pair"),
        pytest.param(
            {"asset_id": "x", "contents": {"interactions": [{"question": "Is the valve open?", "answer": "No"}]}},
            id="no order",
        ),
    ],
)
def test_every_shape_of_a_question_gives_the_same_contents(value: dict[str, Any]) -> None:
    assert only(read_record(value, Vqa)).contents == cast.qa()


def test_a_caption_alone_is_contents() -> None:
    record = read_record({"asset_id": "x", "caption": "A valve"}, PhraseGrounding)
    assert only(record).contents == PhraseGrounding("A valve", [])


def test_a_caption_alone_is_text_where_text_is_wanted() -> None:
    record = read_record(
        line(contents={"type": "PhraseGrounding", "caption": "A valve", "groundedPhrases": []}), Freeform
    )
    assert only(record).contents == Freeform("A valve")


def test_ids_may_be_numbers_or_absent() -> None:
    assert only(read_record(line(id=17), PhraseGrounding)).uid == "17"
    without = line()
    del without["id"]
    assert only(read_record(without, PhraseGrounding)).uid == ""


def test_orders_are_kept_or_counted() -> None:
    pairs = [{"question": "q", "answer": "a", "order": 7}, {"question": "q", "answer": "b"}]
    contents = only(read_record(line(contents={"interactions": pairs}), Vqa)).contents
    assert contents == Vqa([Interaction(7, "q", "a"), Interaction(2, "q", "b")])


@pytest.mark.parametrize(
    ("boxes", "in_fractions"),
    [
        ([[0.1, 0.2, 0.5, 0.7]], True),
        ([[0, 0, 1, 1]], True),
        ([[-0.1, 0, 1.0000000000000002, 1]], True),
        ([[0.1, 0.2, 0.5, 0.7], [0.5, 0.5, 1.5, 1]], False),
        ([[1, 2, 5, 7]], False),
    ],
)
def test_boxes_are_fractions_when_no_number_of_the_line_is_above_one(
    boxes: list[list[float]], in_fractions: bool
) -> None:
    phrases = [PHRASE | {"bounds": [box]} for box in boxes]
    assert read_record(flat(grounded_phrases=phrases), PhraseGrounding).in_fractions is in_fractions


def with_phrase(**changes: Any) -> dict[str, Any]:
    return flat(grounded_phrases=[PHRASE | changes])


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (17, "must be a JSON object"),
        ({}, "which asset"),
        (flat(asset_id=""), "which asset"),
        (flat(asset_id=["x"]), "“asset_id” must be text, not a list"),
        (flat(asset_id="x" * 65), "longer than 64"),
        (line("x" * 1025), "longer than 1024"),
        (line("a\x00.jpg"), "NUL"),
        (line(asset="line_07.jpg"), "“asset” must be a JSON object"),
        (line(asset={"filename": "a.jpg", "width": "640"}), "“width” must be a whole number, not the text “640”"),
        (line(asset={"filename": "a.jpg", "width": 640.5}), "“width” must be a whole number, not the number 640.5"),
        (line(asset={"filename": "a.jpg", "width": True}), "“width” must be a whole number"),
        (line(asset={"filename": "a.jpg", "width": 0}), "at least 1 px"),
        (line(asset={"filename": "a.jpg", "width": 2**31}), "at least 1 px"),
        (line(id={"a": 1}), "“id” must be text"),
        (line(id="x" * 256), "longer than 255"),
        (line(id=10**400), "“id” is out of range"),
        (line(category=5), "“category” must be text"),
        (line(contents=None), "“contents” must be a JSON object, not null"),
        (line(contents={}), "no contents"),
        (line(contents={"type": "Caption"}), "of the type “caption” are not known"),
        (line(contents={"type": ["PhraseGrounding"]}), "“type” must be text"),
        (vqa_line(), "This is a Vqa annotation; the dataset holds PhraseGrounding annotations."),
        (flat(caption=None), "“caption” is missing"),
        (flat(caption=["A valve"]), "“caption” must be text"),
        (flat(grounded_phrases={"phrase": "x"}), "must be a list"),
        (flat(grounded_phrases=["red valve"]), "A grounded phrase must be a JSON object"),
        (flat(grounded_phrases=[PHRASE] * 10_001), "more than 10,000"),
        (with_phrase(phrase=""), "A grounded phrase is empty"),
        (with_phrase(phrase=None), "“phrase” is missing"),
        (with_phrase(startTokenIndex="1"), "“startTokenIndex” must be a whole number"),
        (with_phrase(bounds="0,0,1,1"), "“bounds” must be a list"),
        (with_phrase(bounds=[[0, 0, 1]]), "four numbers"),
        (with_phrase(bounds=[0, 0, 1]), "four numbers [xmin, ymin, xmax, ymax], not 3"),
        (with_phrase(bounds=[[0, 0, 1, "1"]]), "not a number"),
        (with_phrase(bounds=[[0, 0, 1, True]]), "not a number"),
        (with_phrase(bounds=[[0, 0, 1, None]]), "not a number"),
        (with_phrase(bounds=[[0, 0, 1, 1e300]]), "out of range"),
        (with_phrase(bounds=[[0, 0, 1, -(10**400)]]), "out of range"),
        (with_phrase(bounds=[{"x": 1, "y": 2, "width": 3}]), "has no 'height'"),
        (with_phrase(bounds=[[1, 2], [3, 4]]), "four numbers"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_sentence(value: Any, reason: str) -> None:
    with pytest.raises(Unreadable) as refusal:
        read_record(value, PhraseGrounding)
    assert reason in str(refusal.value)
    assert str(refusal.value).endswith(".")
    assert len(str(refusal.value)) < 300


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (vqa_line(contents={"type": "Vqa"}), "“interactions” is missing"),
        (vqa_line(contents={"interactions": "q"}), "must be a list"),
        (vqa_line(contents={"interactions": ["q"]}), "An interaction must be a JSON object"),
        (vqa_line(contents={"question": "q"}), "“answer” is missing"),
        (vqa_line(contents={"question": "q", "answer": 3}), "“answer” must be text, not the number 3"),
        (vqa_line(contents={"interactions": [{"order": "1", "question": "", "answer": ""}]}), "“order”"),
    ],
)
def test_questions_that_make_no_sense_are_refused(value: Any, reason: str) -> None:
    with pytest.raises(Unreadable, match=reason):
        read_record(value, Vqa)


def test_one_bad_annotation_does_not_cost_the_asset_its_others() -> None:
    good = exported()["annotations"][0]
    record = read_record(exported(annotations=[good, {"contents": 5}, good]), PhraseGrounding)
    assert [isinstance(annotation, Unreadable) for annotation in record.annotations] == [False, True, False]


def test_a_phrase_without_a_place_is_kept_with_a_doubt() -> None:
    annotation = only(read_record(flat(grounded_phrases=[{"phrase": "pump", "bbox": list(BOX)}]), PhraseGrounding))
    assert isinstance(annotation.contents, PhraseGrounding)
    [phrase] = annotation.contents.grounded_phrases
    assert (phrase.start_token_index, phrase.end_token_index, phrase.char_span) == (-1, -1, None)
    assert phrase.bounds == [BOX]
    [doubt] = annotation.doubts
    assert "“pump”" in doubt
