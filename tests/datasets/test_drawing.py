"""Captions cut at their phrases, and boxes as they are drawn."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from datasets.contents import GroundedPhrase, PhraseGrounding
from datasets.drawing import TONES, Caption, back_to_front, draw, tones


def drawn(caption: str, *phrases: tuple[tuple[int, int] | None, list[tuple[float, float, float, float]]]) -> Caption:
    contents = PhraseGrounding(
        caption,
        [
            GroundedPhrase(
                phrase=caption[span[0] : span[1]] if span else "elsewhere",
                start_token_index=0,
                end_token_index=0,
                char_span=span,
                bounds=boxes,
            )
            for span, boxes in phrases
        ],
    )
    names = [phrase.phrase for phrase in contents.grounded_phrases]
    return draw(contents, width=1000, height=800, tone_of=tones(names))


def pieces(caption: Caption) -> list[tuple[str, str]]:
    return [(segment.text, segment.numbers) for segment in caption.segments]


def test_a_caption_is_cut_at_its_phrase() -> None:
    assert pieces(drawn("A red valve here", ((2, 11), []))) == [("A ", ""), ("red valve", "1"), (" here", "")]


def test_a_phrase_inside_another_belongs_to_both_the_inner_first() -> None:
    caption = drawn("A red valve", ((2, 11), []), ((2, 5), []))
    assert pieces(caption) == [("A ", ""), ("red", "2 1"), (" valve", "1")]


def test_overlapping_phrases_share_the_words_between() -> None:
    caption = drawn("one two three", ((0, 7), []), ((4, 13), []))
    assert pieces(caption) == [("one ", "1"), ("two", "1 2"), (" three", "2")]


def test_each_phrase_is_the_goal_of_one_link_only() -> None:
    caption = drawn("A big red valve", ((2, 15), []), ((6, 9), []))
    firsts = [segment.group.number for segment in caption.segments if segment.first and segment.group]
    assert firsts == [1, 2]


def test_a_phrase_without_a_place_in_the_caption_keeps_its_boxes() -> None:
    caption = drawn("A valve", (None, [(1, 1, 5, 5)]))
    assert pieces(caption) == [("A valve", "")]
    assert caption.groups[0].count == 1
    assert not caption.groups[0].in_caption


@given(st.text(max_size=30), st.lists(st.tuples(st.integers(-5, 40), st.integers(-5, 40)), max_size=8))
def test_whatever_the_spans_no_text_is_lost(caption: str, spans: list[tuple[int, int]]) -> None:
    cut = drawn(caption, *((span, []) for span in spans))
    assert "".join(segment.text for segment in cut.segments) == caption


def test_boxes_without_area_are_listed_and_not_drawn() -> None:
    [group] = drawn("valve", ((0, 5), [(1, 2, 1, 9), (10, 20, 30.25, 50), (2000, 0, 2100, 50)])).groups
    assert [(box.x, box.y, box.width, box.height) for box in group.rectangles] == [("10", "20", "20.25", "30")]
    assert group.flat == ("1, 2, 1, 9", "2000, 0, 2100, 50")


def test_small_boxes_lie_on_top() -> None:
    groups = drawn("small large", ((0, 5), [(0, 0, 5, 5)]), ((6, 11), [(0, 0, 900, 700)])).groups
    assert [group.phrase for group in back_to_front(groups)] == ["large", "small"]


def test_a_phrase_has_the_tone_of_its_rank_wherever_it_stands() -> None:
    ranked = ["red cell", "white cell", "platelet"]
    assert tones(["platelet"], ranked=ranked) == {"platelet": 2}
    assert tones(["platelet", "dust", "red cell"], ranked=ranked)["platelet"] == 2


def test_phrases_of_one_image_differ_as_long_as_there_are_tones() -> None:
    phrases = [f"thing {n}" for n in range(TONES)]
    assert len(set(tones(phrases, ranked=["other", *phrases[::-1]]).values())) == TONES
