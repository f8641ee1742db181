"""What stands where in a ViFull archive, and what cannot go in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import default_storage

from datasets.models import Dataset
from exports.dispatch import request_export
from exports.spec import ExportSpec, SpecError
from tests import cast
from tests.exports.formats.vi_fulls import Load, full, make_pictured
from tests.exports.reading import leftovers, members, receipt
from tests.exports.vi_loader import paired

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "snapshot"])


def test_guards_come_first_in_every_folder(valves: Dataset) -> None:
    for name in ("a.jpg", "b.jpg", "c.jpg", "d.jpg"):
        make_pictured(valves, name)
    names = list(members(full(valves, ratio="0.5", seed=1)))
    for split in ("training", "validation"):
        for folder in ("images", "annotations"):
            inside = [name for name in names if name.startswith(f"{split}/{folder}/")]
            assert inside[:4] == [f"{split}/{folder}/.vi/{number}/x" for number in range(4)]
            assert len(inside) == 6
    assert names[-1] == "export.json"


def test_a_line_has_the_keys_it_should(valves: Dataset) -> None:
    asset = make_pictured(valves, "Line 07.JPG", cast.grounding("A red valve", "red valve", (6.4, 12, 32, 24)))
    written = members(full(valves))
    assert written["dump/images/Line 07.jpg"] == cast.jpeg(64, 48)
    assert json.loads(written["dump/annotations/Line 07.jsonl"]) == {
        "id": asset.annotations.get().uid,
        "asset_id": asset.uid,
        "asset": {
            "type": "Image",
            "filename": "Line 07.jpg",
            "width": 64,
            "height": 48,
            "original_filename": "Line 07.JPG",
        },
        "contents": {
            "type": "PhraseGrounding",
            "caption": "A red valve",
            "groundedPhrases": [
                {
                    "phrase": "red valve",
                    "startTokenIndex": 1,
                    "endTokenIndex": 2,
                    "charSpan": [2, 11],
                    "bounds": [[0.1, 0.25, 0.5, 0.5]],
                }
            ],
        },
    }
    assert written["dump/annotations/Line 07.jsonl"].count(b"\n") == 1


def test_a_name_does_not_depend_on_what_is_selected(valves: Dataset) -> None:
    for name in ("a.jpg", "a.png", "b.jpg"):
        make_pictured(valves, name)

    def images(**options: Any) -> set[str]:
        return {Path(name).name for name in members(full(valves, **options)) if "/images/" in name} - {"x"}

    assert images(search=".jpg") < images() == images(ratio="0.5")


def test_the_same_asked_again_gives_the_same_bytes(valves: Dataset) -> None:
    for name in ("a.jpg", "a.png", "b.jpg"):
        make_pictured(valves, name)
    first, second = (members(full(valves, ratio="0.5", seed=5)) for _ in range(2))
    first.pop("export.json")
    second.pop("export.json")
    assert first == second
    assert list(first) == list(second)


def test_an_asset_whose_image_cannot_be_had_is_left_out_and_counted_and_named(valves: Dataset, load: Load) -> None:
    assets = [make_pictured(valves, f"p{n}.jpg", width=60 + n) for n in range(4)]
    cast.make_annotation(assets[1], cast.grounding("One valve", "valve", (1, 1, 5, 5)))
    cast.make_annotation(cast.make_asset(valves, "never.jpg"), cast.grounding("One valve", "valve", (1, 1, 5, 5)))
    default_storage.delete(assets[1].file)
    Path(default_storage.path(assets[2].file)).write_bytes(b"other bytes")
    job = full(valves)
    told = receipt(job)
    assert told["totals"] == {
        "assets": {"asked": 5, "written": 2, "skipped": 3},
        "annotations": {"asked": 6, "written": 2, "skipped": 4},
        "boxes": {"asked": 6, "written": 2, "skipped": 4},
        "images": {"asked": 5, "written": 2, "skipped": 3},
    }
    reasons = {skipped["filename"]: skipped["reason"] for skipped in told["skipped"]}
    assert reasons.keys() == {"never.jpg", "p1.jpg", "p2.jpg"}
    assert "no image was uploaded" in reasons["never.jpg"]
    assert "cannot be read" in reasons["p1.jpg"]
    assert "not the one that was uploaded" in reasons["p2.jpg"]
    assert sum(job.warnings["skipped"].values()) == 3
    assert sorted(paired(load(job)["dump"])) == ["p0.jpg", "p3.jpg"]
    assert (job.assets_written, job.annotations_written) == (2, 2)


def test_the_split_is_drawn_among_assets_with_an_image(valves: Dataset) -> None:
    cast.make_annotated(valves, 30)
    for number in range(4):
        make_pictured(valves, f"p{number}.jpg")
    job = full(valves, ratio="0.25", seed=1)
    assert (job.train_count, job.validation_count) == (3, 1)


def test_without_any_image_it_is_refused_beforehand(valves: Dataset) -> None:
    cast.make_annotated(valves, 2)
    cast.make_asset(valves, "bare.jpg", image=cast.jpeg())
    with pytest.raises(SpecError, match="None of the annotated assets has an image here"):
        request_export(ExportSpec("ViFull"), dataset=valves, user=None, ring=False)


def test_where_no_image_can_be_read_nothing_is_published(valves: Dataset) -> None:
    default_storage.delete(make_pictured(valves, "a.jpg").file)
    job = full(valves)
    assert "nothing was written" in job.failure
    assert not job.archive
    assert leftovers() == []
