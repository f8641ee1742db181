"""The contents of an annotation, read from whatever shape they came in, into their one type. No Django."""

from __future__ import annotations

from collections.abc import Sequence

from datasets.contents import Contents, Freeform, GroundedPhrase, Interaction, PhraseGrounding, Vqa
from datasets.imports import boxes, fields, spans
from datasets.imports.account import quoted
from datasets.imports.fields import Json, JsonObject, Unreadable

_MAX_PHRASES = 10_000
_PHRASES = ("groundedPhrases", "grounded_phrases", "phrases")


def read_contents(values: JsonObject, expected: type[Contents]) -> tuple[Contents, Sequence[str]]:
    """The contents that are in `values`, boxes as they came, and doubts about them.

    Raises `Unreadable` when there are none, or not of the type `expected`.
    """
    doubts: Sequence[str] = ()
    contents: Contents
    match _type_name(values):
        case "phrasegrounding":
            contents, doubts = _phrase_grounding(values)
        case "vqa":
            contents = _vqa(values)
        case "freeform":
            contents = Freeform(fields.text(values, "text"))
        case unknown:
            raise Unreadable(
                f"Contents of the type {quoted(unknown)} are not known; they must be PhraseGrounding, Vqa or Freeform."
            )
    if expected is Freeform and isinstance(contents, PhraseGrounding) and not contents.grounded_phrases:
        contents = Freeform(contents.caption)
    if not isinstance(contents, expected):
        raise Unreadable(
            f"This is a {type(contents).__name__} annotation; the dataset holds {expected.__name__} annotations."
        )
    return contents, doubts


def _type_name(values: JsonObject) -> str:
    if values.get("type") is not None:
        name = fields.text(values, "type")
        return name.lower().replace("-", "").replace("_", "").replace(" ", "")
    if fields.first(values, "caption", *_PHRASES) is not None:
        return "phrasegrounding"
    if fields.first(values, "interactions", "question") is not None:
        return "vqa"
    if fields.first(values, "text") is not None:
        return "freeform"
    raise Unreadable("There are no contents: neither a caption, nor interactions, nor a text.")


def _phrase_grounding(values: JsonObject) -> tuple[PhraseGrounding, Sequence[str]]:
    caption = fields.text(values, "caption")
    phrases = [
        fields.as_object(phrase, "A grounded phrase")
        for phrase in fields.as_list(fields.first(values, *_PHRASES) or [], "“groundedPhrases”")
    ]
    if len(phrases) > _MAX_PHRASES:
        raise Unreadable(f"There are more than {_MAX_PHRASES:,} grounded phrases.")
    places = spans.locate(caption, [_hint(phrase) for phrase in phrases])
    grounded = [_grounded(phrase, place) for phrase, place in zip(phrases, places, strict=True)]
    doubts = [
        f"The phrase {quoted(phrase.phrase)} is not in the caption, or all its occurrences belong to other phrases; "
        "it is kept without a span."
        for phrase in grounded
        if phrase.char_span is None
    ]
    return PhraseGrounding(caption, grounded), doubts


def _hint(phrase: JsonObject) -> spans.Hint:
    words = fields.text(phrase, "phrase")
    if not words:
        raise Unreadable("A grounded phrase is empty.")
    return spans.Hint(
        words,
        char_span=_char_span(fields.first(phrase, "charSpan", "char_span")),
        start=fields.whole(phrase, "startTokenIndex", "start_token_index"),
        end=fields.whole(phrase, "endTokenIndex", "end_token_index"),
    )


def _char_span(value: Json) -> spans.Characters | None:
    """The two offsets, where they are that; anything else is as if absent, for there are other ways to find it."""
    match value:
        case [int(start), int(end)]:
            return start, end
        case _:
            return None


def _grounded(phrase: JsonObject, place: spans.Span) -> GroundedPhrase:
    return GroundedPhrase(
        phrase=fields.text(phrase, "phrase"),
        start_token_index=place.start_token,
        end_token_index=place.end_token,
        char_span=place.characters,
        bounds=boxes.read_boxes(phrase),
    )


def _vqa(values: JsonObject) -> Vqa:
    asked = fields.first(values, "interactions")
    if asked is None:
        if "question" not in values:
            raise Unreadable("“interactions” is missing.")
        asked = [values]
    return Vqa(
        [
            _interaction(fields.as_object(item, "An interaction"), order)
            for order, item in enumerate(fields.as_list(asked, "“interactions”"), 1)
        ]
    )


def _interaction(values: JsonObject, order: int) -> Interaction:
    stated = fields.whole(values, "order")
    return Interaction(
        order=order if stated is None else stated,
        question=fields.text(values, "question"),
        answer=fields.text(values, "answer"),
    )
