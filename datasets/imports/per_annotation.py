"""Lines with one annotation each, beside the asset it is on: what the Vi SDK's loader reads."""

from __future__ import annotations

from datasets.contents import Contents
from datasets.imports import fields, loose_contents, records
from datasets.imports.fields import JsonObject
from datasets.imports.records import Record, RecordAnnotation


def read(values: JsonObject, expected: type[Contents]) -> Record:
    """`{"id", "asset": {"filename", "width", "height"}, "contents", "category"}`."""
    asset = fields.as_object(values["asset"], "“asset”")
    outer_id = fields.name(values, "asset_id", "assetId", limit=64)
    return Record(
        asset=records.read_reference(asset, asset_id=outer_id),
        annotations=[read_annotation(values, expected)],
    )


def read_annotation(values: JsonObject, expected: type[Contents]) -> RecordAnnotation:
    """`{"id", "category", "contents"}`."""
    contents, doubts = loose_contents.read_contents(fields.as_object(values.get("contents"), "“contents”"), expected)
    return RecordAnnotation(
        uid=records.read_uid(values),
        category=records.read_category(values),
        contents=contents,
        doubts=tuple(doubts),
    )
