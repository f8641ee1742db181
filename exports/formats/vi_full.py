"""ViFull: the tree that the vendor's `ViDataset` loads. Images, and for each of them a file with one line.

The images are written as the records pass, before their lines; here only the lines are made. The loader wants as
many lines as images and as many files as lines, so what several annotations say of one image is merged.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from json.encoder import encode_basestring as _quoted
from typing import Any

import msgspec

from datasets import contents as contents_module
from datasets.contents import NO_TOKEN, Contents, Freeform, GroundedPhrase, Interaction, PhraseGrounding, Vqa
from exports.records import AnnotationRecord, Member, Options, Record, Run

#: How many threads the vendor's client unzips with, at most.
_UNZIPPING = 4


def encode(run: Run, options: Options) -> Iterator[Member]:
    """`annotations/<stem>.jsonl` for every record, in their order; first of all, what makes the folders."""
    if run.number == 0:
        yield from _guards(run)
    for record in run.records:
        stem = record.filename.rpartition(".")[0]
        yield Member(run.path(f"annotations/{stem}.jsonl"), [line(record).encode() + b"\n"])


def companions(options: Options) -> Iterator[Member]:
    """None: the loader counts every file it finds."""
    return iter(())


def preview(record: Record, options: Options) -> str:
    """The line of `record`, laid out over several."""
    return msgspec.json.format(line(record), indent=2)


def line(record: Record) -> str:
    """The JSON object of `record`, without the line feed.

    `id` is that of its first annotation; where there are several, `merged_from` has the id and category of each.
    `original_filename` is there only where the user calls the asset otherwise.
    """
    first, annotations = record.parsed[0], record.parsed
    asset = f'"type":"Image","filename":{_quoted(record.filename)},"width":{record.width},"height":{record.height}'
    if record.original_filename != record.filename:
        asset += f',"original_filename":{_quoted(record.original_filename)}'
    return (
        f'{{"id":{_quoted(first.id)},{_category(annotations)}"asset_id":{_quoted(record.asset_id)},"asset":{{{asset}}},'
        f'"contents":{_contents(annotations)}{_origins(annotations)}}}'
    )


def _guards(run: Run) -> Iterator[Member]:
    """Empty files, each in a folder of its own, that let a client with several threads make the folders safely.

    Some Pythons fail where two threads make one folder at once. When the first member of a folder is unzipped, at
    most three earlier ones are unfinished, so one of four guards has made the folder already.
    """
    for folder in ("images", "annotations"):
        for number in range(_UNZIPPING):
            yield Member(run.path(f"{folder}/.vi/{number}/x"), (), compressed=False)


def _category(annotations: Sequence[AnnotationRecord]) -> str:
    """The category, if it is one and the same."""
    category, *others = {annotation.category for annotation in annotations}
    return f'"category":{_quoted(category)},' if category is not None and not others else ""


def _origins(annotations: Sequence[AnnotationRecord]) -> str:
    if len(annotations) == 1:
        return ""
    origins = [{"id": annotation.id, "category": annotation.category} for annotation in annotations]
    return f',"merged_from":{msgspec.json.encode(origins).decode()}'


def _contents(annotations: Sequence[AnnotationRecord]) -> str:
    if len(annotations) == 1 and not isinstance(annotations[0].contents, Freeform):
        return contents_module.dump(annotations[0].contents)
    return contents_module.dump(merged([annotation.contents for annotation in annotations]))


def merged(contents: Sequence[Any]) -> Contents:
    """One contents that says all that `contents`, of one type, say.

    Interactions follow each other, numbered anew. Captions follow each other, a line each, equal ones once; words
    and characters of a phrase are counted in the whole. A freeform text is a caption without phrases, for the
    loader knows no freeform.
    """
    if isinstance(contents[0], Vqa):
        pairs = [(each.question, each.answer) for vqa in contents for each in vqa.interactions]
        return Vqa([Interaction(order, *pair) for order, pair in enumerate(pairs, 1)])
    captioned = [PhraseGrounding(each.text, []) if isinstance(each, Freeform) else each for each in contents]
    caption, places = _joined([each.caption for each in captioned])
    phrases = [_moved(phrase, *places[each.caption]) for each in captioned for phrase in each.grounded_phrases]
    return PhraseGrounding(caption, phrases)


def _joined(captions: Sequence[str]) -> tuple[str, dict[str, tuple[int, int]]]:
    """The distinct captions as one text, and for each how many characters and words stand before it."""
    distinct = list(dict.fromkeys(captions))
    places = {}
    characters = words = 0
    for caption in distinct:
        places[caption] = characters, words
        characters += len(caption) + 1
        words += len(caption.split())
    return "\n".join(distinct), places


def _moved(phrase: GroundedPhrase, characters: int, words: int) -> GroundedPhrase:
    """`phrase` in a caption that begins that much earlier. What was not found stays not found."""
    tokens = (phrase.start_token_index, phrase.end_token_index)
    first, last = (token if token == NO_TOKEN else token + words for token in tokens)
    span = phrase.char_span
    return msgspec.structs.replace(
        phrase,
        start_token_index=first,
        end_token_index=last,
        char_span=None if span is None else (span[0] + characters, span[1] + characters),
    )
