"""The typed contents: their one JSON, what is refused, and what the database keeps of them."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from datasets import contents
from datasets.contents import BoxFlaw, ContentsError, GroundedPhrase, PhraseGrounding, Vqa
from datasets.geometry import Box
from tests import cast

PIXELS = (
    '{"type":"PhraseGrounding","caption":"A red valve left of two gauges","groundedPhrases":[{"phrase":"red valve",'
    '"startTokenIndex":1,"endTokenIndex":2,"charSpan":[2,11],"bounds":[[100,200,300,400]]}]}'
)


def grounding(*boxes: Box) -> PhraseGrounding:
    return cast.grounding("A red valve left of two gauges", "red valve", *boxes)


def test_the_json_is_that_of_vi_jsonl() -> None:
    assert contents.dump(cast.grounding()) == PIXELS
    assert contents.dump(cast.qa()) == (
        '{"type":"Vqa","interactions":[{"order":1,"question":"Is the valve open?","answer":"No"}]}'
    )
    assert contents.dump(cast.freeform("Größe „5“")) == '{"type":"Freeform","text":"Größe „5“"}'


@pytest.mark.parametrize("typed", [cast.grounding(), cast.qa(), cast.freeform()])
def test_what_is_dumped_is_parsed_again(typed: contents.Contents) -> None:
    assert contents.parse(contents.dump(typed)) == typed


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        '{"type":"Caption"}',
        '{"type":"Vqa"}',
        '{"type":"Vqa","interactions":[{"order":"1","question":"","answer":""}]}',
        PIXELS.replace("[100,200,300,400]", "[100,200,300]"),
        PIXELS.replace("100", "NaN"),
        PIXELS.replace('"phrase":"red valve"', '"phrase":""'),
        PIXELS.replace('"startTokenIndex":1', '"startTokenIndex":9223372036854775808'),
        b"\xff",
    ],
)
def test_what_is_no_contents_is_refused(text: str | bytes) -> None:
    with pytest.raises(ContentsError, match=r"^The contents are not valid: .*\.$"):
        contents.parse(text)


@pytest.mark.parametrize("span", [(3, 12), (-28, 11), (2, 10), (2, 12), (11, 2), (2, 99)])
def test_a_span_must_give_the_phrase(span: tuple[int, int]) -> None:
    phrase = GroundedPhrase(phrase="red valve", start_token_index=1, end_token_index=2, char_span=span, bounds=[])
    with pytest.raises(ContentsError, match="charSpan of “red valve” points at other words"):
        contents.check(PhraseGrounding("A red valve left of two gauges", [phrase]))


def test_a_span_must_not_run_past_the_caption() -> None:
    phrase = GroundedPhrase(phrase="gauges", start_token_index=2, end_token_index=2, char_span=(4, 99), bounds=[])
    with pytest.raises(ContentsError, match="charSpan"):
        contents.check(PhraseGrounding("two gauges", [phrase]))


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_coordinates_are_finite(number: float) -> None:
    with pytest.raises(ContentsError, match="not a finite number"):
        contents.render(grounding((0, 0, 1, number)), width=10, height=10)


def test_there_is_a_limit_to_size() -> None:
    with pytest.raises(ContentsError, match="larger than 4 MiB"):
        contents.check(cast.freeform("x" * contents.MAX_CONTENTS_BYTES))


def test_the_database_keeps_both_units_and_the_labels() -> None:
    rendered = contents.render(grounding((100, 200, 300, 400), (0, 0, 1000, 800)), width=1000, height=800)
    assert json.loads(rendered.pixels)["groundedPhrases"][0]["bounds"] == [[100, 200, 300, 400], [0, 0, 1000, 800]]
    assert json.loads(str(rendered.normalized))["groundedPhrases"][0]["bounds"] == [[0.1, 0.25, 0.3, 0.5], [0, 0, 1, 1]]
    assert contents.parse_labels(rendered.labels) == {"red valve": 2}
    assert not rendered.flawed


def test_without_boxes_one_text_is_enough() -> None:
    rendered = contents.render(cast.qa(), width=10, height=10)
    assert rendered.normalized is None
    assert contents.parse_labels(rendered.labels) == {"No": 1}
    assert contents.parse_labels(contents.render(cast.freeform(), width=10, height=10).labels) == {}


def test_labels_count_boxes_and_answers() -> None:
    phrases = [*grounding((0, 0, 1, 1), (1, 1, 2, 2)).grounded_phrases, *grounding((0, 0, 1, 1)).grounded_phrases]
    assert contents.labels(PhraseGrounding("A red valve left of two gauges", phrases)) == {"red valve": 3}
    assert contents.labels(cast.qa(("a?", "Yes"), ("b?", "No"), ("c?", "Yes"))) == {"Yes": 2, "No": 1}


def test_boxes_are_repaired_and_what_changed_is_told() -> None:
    source = grounding((-5, 10, 50, 60), (20, 20, 20, 30), (0, 0, 100, 80), (200, 0, 300, 10))
    repaired, flaws = contents.repair(source, width=100, height=80)
    assert isinstance(repaired, PhraseGrounding)
    assert repaired.grounded_phrases[0].bounds == [(0, 10, 50, 60), (0, 0, 100, 80)]
    assert flaws == [
        BoxFlaw("clamped", "red valve", (-5, 10, 50, 60)),
        BoxFlaw("degenerate", "red valve", (20, 20, 20, 30)),
        BoxFlaw("degenerate", "red valve", (200, 0, 300, 10)),
    ]
    rendered = contents.render(source, width=100, height=80)
    assert rendered.flawed
    assert json.loads(rendered.pixels)["groundedPhrases"][0]["bounds"][0] == [-5, 10, 50, 60]


def test_pixels_are_kept_to_a_ten_thousandth() -> None:
    rendered = contents.render(grounding((0.1 + 0.2, 1 / 3, 99.99999, 50)), width=100, height=80)
    assert '"bounds":[[0.3,0.3333,100,50]]' in rendered.pixels


def test_fractions_and_pixels_are_inverse() -> None:
    source = grounding((100, 200, 300, 400))
    fractions = contents.normalize(source, width=1000, height=800)
    assert contents.denormalize(fractions, width=1000, height=800) == source
    assert contents.normalize(cast.qa(), width=10, height=10) == Vqa(cast.qa().interactions)


@pytest.mark.parametrize(
    "labels",
    [
        [{"red valve": 1}, {"red valve": 1, "pump": 2}, {}, {"pump": 2}],
        [{"ends with a comma,": 1, "b": 2}, {'a":1,': 3}, {'"': 1}, {',"': 2}, {"\\": 1}],
        [{}, {}],
        [{"": 1}],
        [{"a},{": 1, "b}\n{": 2}, {":1": 4}],
        [{",": 1, "a": 1}, {"{}": 2, "b": 1}, {":": 1, "\\": 3}],
    ],
)
def test_labels_are_tallied_whatever_they_look_like(labels: list[dict[str, int]]) -> None:
    texts = "\n".join(json.dumps(one, ensure_ascii=False, separators=(",", ":")) for one in labels)
    tally, found = contents.LabelTally(), Counter[str]()
    for some in (texts, texts):
        tally.add(some)
    for piece, times in tally.counts():
        for label, count in piece.items():
            found[label] += count * times
    expected: Counter[str] = Counter()
    for one in labels * 2:
        expected.update(one)
    assert found == expected
