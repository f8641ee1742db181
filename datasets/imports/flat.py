"""Lines as the Vi SDK's guides show them: the asset named at the top, the contents beside it or in “contents”."""

from __future__ import annotations

from datasets.contents import Contents
from datasets.imports import loose_contents, records
from datasets.imports.fields import JsonObject
from datasets.imports.per_annotation import read_annotation
from datasets.imports.records import Record, RecordAnnotation


def read(values: JsonObject, expected: type[Contents]) -> Record:
    """`{"asset_id", "caption", "grounded_phrases"}`, `{"asset_id", "contents": {"question", "answer"}}` and so on."""
    asset = records.read_reference(values)
    if "contents" in values:
        return Record(asset, [read_annotation(values, expected)])
    contents, doubts = loose_contents.read_contents(values, expected)
    annotation = RecordAnnotation(
        uid=records.read_uid(values),
        category=records.read_category(values),
        contents=contents,
        doubts=tuple(doubts),
    )
    return Record(asset, [annotation])
