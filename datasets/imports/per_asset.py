"""Lines of our own export: one asset a line, with all its annotations."""

from __future__ import annotations

from datasets.contents import Contents
from datasets.imports import fields, per_annotation, records
from datasets.imports.fields import Json, JsonObject, Unreadable
from datasets.imports.records import Reading, Record


def read(values: JsonObject, expected: type[Contents]) -> Record:
    """`{"asset_id", "filename", "width", "height", "annotations": [{"id", "category", "contents"}]}`."""
    return Record(
        asset=records.read_reference(values, whole_asset=True),
        annotations=[
            _read_annotation(annotation, expected)
            for annotation in fields.as_list(values["annotations"], "“annotations”")
        ],
    )


def _read_annotation(value: Json, expected: type[Contents]) -> Reading:
    """One bad annotation does not cost the asset its others."""
    try:
        return per_annotation.read_annotation(fields.as_object(value, "An annotation"), expected)
    except Unreadable as error:
        return error
