"""The table of formats: each line must be true."""

from __future__ import annotations

import pytest

from datasets.contents import Contents
from datasets.models import DatasetType
from exports.records import AnnotationRecord, Options, Record, dump_annotations
from exports.registry import FORMATS, Format
from exports.spec import DEFAULT_FORMAT
from tests import cast

every_format = pytest.mark.parametrize("entry", FORMATS.values(), ids=FORMATS)


def test_the_default_format_holds_every_type() -> None:
    assert set(FORMATS[DEFAULT_FORMAT].dataset_types) == set(DatasetType.values)


def test_every_type_can_be_exported() -> None:
    assert {kind for entry in FORMATS.values() for kind in entry.dataset_types} == set(DatasetType.values)


@every_format
def test_a_format_is_listed_under_its_key(entry: Format) -> None:
    assert FORMATS[entry.key] is entry
    assert entry.summary.endswith(".")
    assert set(entry.dataset_types) <= set(DatasetType.values)


@every_format
def test_a_preview_shows_the_record_of_each_type_the_format_holds(entry: Format) -> None:
    contents: dict[str, Contents] = {
        "phrase-grounding": cast.grounding(),
        "vqa": cast.qa(),
        "freeform": cast.freeform(),
    }
    words = {"phrase-grounding": "red valve", "vqa": "Is the valve open?", "freeform": "The left gauge is dirty."}
    for kind in entry.dataset_types:
        annotation = AnnotationRecord("a1", None, contents[kind])
        texts = dump_annotations([annotation]), (annotation,)
        record = Record("asset-1", "line_07.jpg", "line_07.jpg", 1000, 800, *texts)
        text = entry.preview(record, Options(False, False, ("red valve", "No")))
        assert "line_07.jpg" in text
        assert words[kind] in text
