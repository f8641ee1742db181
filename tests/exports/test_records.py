"""What an archive says of each asset: the keys, the boxes in their unit, and which records are no use."""

from __future__ import annotations

from typing import Any

import pytest

from datasets.models import Annotation, Dataset
from tests import cast
from tests.exports.reading import boxes, export, leftovers, lines, members, receipt
from vi_portal.jobs.models import State

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "snapshot"])


@pytest.mark.parametrize(("normalized", "expected"), [(True, [0.1, 0.25, 0.3, 0.5]), (False, [100, 200, 300, 400])])
def test_a_box_is_in_the_unit_asked_for(valves: Dataset, normalized: bool, expected: list[float]) -> None:
    asset = cast.make_asset(valves, width=1000, height=800)
    cast.make_annotation(asset, cast.grounding("A red valve", "red valve", (100, 200, 300, 400)))
    [record] = lines(export(valves, normalized=normalized))
    assert boxes(record) == [expected]


def test_numbers_carry_no_float_noise(valves: Dataset) -> None:
    asset = cast.make_asset(valves, width=1000, height=1000)
    cast.make_annotation(asset, cast.grounding("A red valve", "red valve", (0.1 + 0.2, 99.99999999, 300.0, 700)))
    text = members(export(valves))["annotations.jsonl"].decode()
    assert '"bounds":[[0.3,100,300,700]]' in text
    text = members(export(valves, normalized=True))["annotations.jsonl"].decode()
    assert '"bounds":[[0.0003,0.1,0.3,0.7]]' in text


@pytest.mark.parametrize("normalized", [True, False])
def test_boxes_outside_are_cut_and_flat_ones_left_out_and_both_are_named(valves: Dataset, normalized: bool) -> None:
    asset = cast.make_asset(valves, "odd.jpg", width=1000, height=800)
    odd = [(-50, 10, 500, 900), (7, 7, 7, 9), (1200, 10, 1300, 20), (10, 10, 20, 20)]
    cast.make_annotation(asset, cast.grounding("A red valve", "red valve", *odd))
    job = export(valves, normalized=normalized)
    [record] = lines(job)
    limit = (1, 1) if normalized else (1000, 800)
    for xmin, ymin, xmax, ymax in boxes(record):
        assert 0 <= xmin < xmax <= limit[0]
        assert 0 <= ymin < ymax <= limit[1]
    assert len(boxes(record)) == 2
    told = receipt(job)
    assert told["totals"]["boxes"] == {"asked": 4, "written": 2, "skipped": 2}
    assert told["warnings_by_kind"] == {"boxes": {"clamped": 1, "degenerate": 2}}
    named = [(warning["filename"], warning["phrase"], warning["bounds"]) for warning in told["warnings"]]
    assert ("odd.jpg", "red valve", [7, 7, 7, 9]) in named
    assert job.warnings["boxes"] == {"clamped": 1, "degenerate": 2}


def test_the_line_has_the_keys_it_should(valves: Dataset) -> None:
    asset = cast.make_asset(valves, "line_07.jpg", width=1920, height=1080)
    contents = cast.grounding("A red valve left of two gauges", "red valve", (230.4, 324, 537.6, 594))
    annotation = cast.make_annotation(asset, contents)
    [record] = lines(export(valves))
    assert record == {
        "asset_id": asset.uid,
        "filename": "line_07.jpg",
        "width": 1920,
        "height": 1080,
        "annotations": [
            {
                "id": annotation.uid,
                "category": None,
                "contents": {
                    "type": "PhraseGrounding",
                    "caption": "A red valve left of two gauges",
                    "groundedPhrases": [
                        {
                            "phrase": "red valve",
                            "startTokenIndex": 1,
                            "endTokenIndex": 2,
                            "charSpan": [2, 11],
                            "bounds": [[230.4, 324, 537.6, 594]],
                        }
                    ],
                },
            }
        ],
    }


@pytest.mark.parametrize("kind", ["vqa", "freeform"])
def test_other_kinds_of_annotation(kind: str) -> None:
    dataset = cast.make_dataset(cast.make_organization(), type=kind)
    cast.make_annotation(cast.make_asset(dataset))
    [record] = lines(export(dataset, normalized=True))
    expected: dict[str, Any] = {
        "vqa": {"type": "Vqa", "interactions": [{"order": 1, "question": "Is the valve open?", "answer": "No"}]},
        "freeform": {"type": "Freeform", "text": "The left gauge is dirty."},
    }
    assert record["annotations"][0]["contents"] == expected[kind]


def test_one_bad_record_is_skipped_counted_and_named(valves: Dataset) -> None:
    good, bad = cast.make_annotated(valves, 2)
    Annotation.objects.filter(asset=bad).update(contents='{"type":"Nonsense"}', contents_normalized=None)
    for format_key in ("ViJsonl", "ViTfrecord"):
        job = export(valves, format=format_key)
        told = receipt(job)
        assert told["totals"]["assets"] == {"asked": 2, "written": 1, "skipped": 1}
        assert told["totals"]["annotations"] == {"asked": 2, "written": 1, "skipped": 1}
        assert [skipped["filename"] for skipped in told["skipped"]] == [bad.filename]
        assert good.filename in str(members(job))
    [record] = lines(export(valves))
    assert record["asset_id"] == good.uid


def test_only_bad_records_is_a_failure(valves: Dataset) -> None:
    cast.make_annotated(valves, 2)
    Annotation.objects.update(contents='{"type":"Nonsense"}')
    job = export(valves)
    assert (job.state, job.archive) == (State.FAILED, "")
    assert "could be read" in job.failure
    assert not leftovers()
