"""Which words of a caption a phrase means, however its source counts."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets.imports.spans import NOWHERE, Hint, Span, locate

CAPTION = "A red valve left of two gauges, and a red valve"


@pytest.mark.parametrize(
    ("hint", "expected"),
    [
        pytest.param(Hint("red valve", char_span=(38, 47)), Span(9, 10, (38, 47)), id="charSpan"),
        pytest.param(Hint("red valve", (38, 47), 1, 2), Span(9, 10, (38, 47)), id="charSpan before indices"),
        pytest.param(Hint("red valve", (0, 5), 1, 2), Span(1, 2, (2, 11)), id="wrong charSpan"),
        pytest.param(Hint("red valve", start=2, end=11), Span(1, 2, (2, 11)), id="characters"),
        pytest.param(Hint("red valve", start=9, end=10), Span(9, 10, (38, 47)), id="inclusive words"),
        pytest.param(Hint("red valve", start=9, end=11), Span(9, 10, (38, 47)), id="half-open words"),
        pytest.param(Hint("two gauges", start=5, end=6), Span(5, 6, (20, 30)), id="words with a comma after"),
        pytest.param(Hint("red valve", start=4, end=5), Span(1, 2, (2, 11)), id="wrong indices"),
        pytest.param(Hint("red valve"), Span(1, 2, (2, 11)), id="no indices"),
        pytest.param(Hint("red valve", start=-1, end=-1), Span(1, 2, (2, 11)), id="negative indices"),
        pytest.param(Hint("red valve", (-5, 10**9), 10**9, 10**10), Span(1, 2, (2, 11)), id="beyond the caption"),
        pytest.param(Hint("Red valve", start=1, end=2), NOWHERE, id="another case"),
        pytest.param(Hint("blue valve", start=1, end=2), NOWHERE, id="not in the caption"),
        pytest.param(Hint(" "), NOWHERE, id="no word"),
    ],
)
def test_each_reading_is_tried_in_order(hint: Hint, expected: Span) -> None:
    assert locate(CAPTION, [hint]) == [expected]


def test_characters_win_over_words_where_both_give_the_phrase() -> None:
    # As words 2 and 3, "b" would be the last one.
    assert locate("a b b b", [Hint("b", start=2, end=3)]) == [Span(1, 1, (2, 3))]


def test_a_phrase_said_twice_takes_one_occurrence_after_the_other() -> None:
    spans = locate("a cup and a cup", [Hint("cup"), Hint("cup"), Hint("cup")])
    assert [span.characters for span in spans] == [(2, 5), (12, 15), None]


def test_places_given_by_indices_are_not_free_for_others() -> None:
    spans = locate("a cup and a cup", [Hint("cup"), Hint("cup", start=1, end=1)])
    assert [span.characters for span in spans] == [(12, 15), (2, 5)]


def test_a_phrase_inside_another_may_have_the_same_words() -> None:
    assert locate("a red valve", [Hint("red valve"), Hint("valve")])[1] == Span(2, 2, (6, 11))
    assert locate("a red valve, a valve", [Hint("red valve"), Hint("valve")])[1] == Span(4, 4, (15, 20))


def test_whole_words_are_preferred_to_parts_of_words() -> None:
    assert locate("a scar on the car", [Hint("car")]) == [Span(4, 4, (14, 17))]
    assert locate("workbenches", [Hint("bench")]) == [Span(0, 0, (4, 9))]


def test_scripts_without_spaces_are_one_word() -> None:
    assert locate("棚の上の赤いバルブ", [Hint("赤いバルブ")]) == [Span(0, 0, (4, 9))]


words = st.text(st.sampled_from("ab é、👍\u00a0"), max_size=12)
numbers = st.none() | st.integers(-3, 15)


@settings(max_examples=300, deadline=None)
@given(
    words,
    st.lists(
        st.builds(Hint, words.filter(bool), st.none() | st.tuples(numbers, numbers).filter(all), numbers, numbers),
        max_size=4,
    ),
)
def test_whatever_is_found_is_the_phrase(caption: str, hints: list[Hint]) -> None:
    spans = locate(caption, hints)
    assert len(spans) == len(hints)
    tokens = caption.split()
    for hint, span in zip(hints, spans, strict=True):
        if span.characters is None:
            assert span == NOWHERE
            continue
        start, end = span.characters
        assert caption[start:end] == hint.phrase
        assert hint.phrase.split()[0] in tokens[span.start_token]
        assert hint.phrase.split()[-1] in tokens[span.end_token]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.text(st.characters(codec="utf-8", categories=["L", "N"]), min_size=1, max_size=6), min_size=1, max_size=8
    ),
    st.tuples(st.integers(0, 7), st.integers(0, 7)),
)
def test_words_are_found_by_their_inclusive_indices(tokens: list[str], ends: tuple[int, int]) -> None:
    first, last = sorted(min(end, len(tokens) - 1) for end in ends)
    phrase = " ".join(tokens[first : last + 1])
    by_characters = " ".join(tokens)[first:last] == phrase
    [span] = locate(" ".join(tokens), [Hint(phrase, start=first, end=last)])
    assert by_characters or (span.start_token, span.end_token) == (first, last)
