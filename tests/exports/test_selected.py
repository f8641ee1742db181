"""Which assets an export has, in which part and of which moment; asked for again, the same."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import connection

from datasets.models import Annotation, Dataset
from exports import runner
from exports.dispatch import repeat_export, request_export
from exports.formats import vi_jsonl
from exports.models import ExportJob
from exports.sources import queries
from exports.spec import ExportSpec, SpecError
from tests import cast
from tests.exports.reading import export, leftovers, lines, members, receipt
from vi_portal.jobs.models import State

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "snapshot"])


def test_asked_is_written_plus_skipped(valves: Dataset) -> None:
    cast.make_annotated(valves, 7)
    bare = [cast.make_asset(valves, f"bare_{n}.jpg") for n in range(3)]
    job = export(valves)
    told = receipt(job)
    assert told["totals"]["assets"] == {"asked": 10, "written": 7, "skipped": 3}
    assert {skipped["asset_id"] for skipped in told["skipped"]} == {asset.uid for asset in bare}
    assert {skipped["reason"] for skipped in told["skipped"]} == {"no annotations"}
    assert (job.assets_selected, job.assets_written, len(lines(job))) == (10, 7, 7)


def test_a_filter_is_carried(valves: Dataset) -> None:
    cast.make_annotated(valves, 12)
    job = export(valves, search="image_001")
    assert [record["filename"] for record in lines(job)] == ["image_0010.jpg", "image_0011.jpg"]
    assert receipt(job)["options"]["filter"] == {"search": "image_001"}


def test_nothing_to_export_is_said_before_the_job_starts(valves: Dataset) -> None:
    cast.make_asset(valves)
    with pytest.raises(SpecError, match="has no annotations yet"):
        export(valves)
    cast.make_annotated(valves, 2)
    with pytest.raises(SpecError, match="no such name"):
        export(valves, search="no such name")
    assert not ExportJob.objects.exists()


def test_annotations_gone_before_the_worker_came_is_a_failure_with_the_reason(valves: Dataset) -> None:
    cast.make_annotated(valves, 2)
    job = request_export(ExportSpec(), dataset=valves, user=None, ring=False)
    Annotation.objects.all().delete()
    runner.run(job.pk, worker="test")
    job.refresh_from_db()
    assert job.state == State.FAILED
    assert "None of the 2 selected assets has annotations" in job.failure
    assert not leftovers()


def test_the_split_writes_every_record_once(valves: Dataset) -> None:
    cast.make_annotated(valves, 10)
    job = export(valves, ratio="0.2")
    train, validation = lines(job, "train/annotations.jsonl"), lines(job, "validation/annotations.jsonl")
    assert (len(train), len(validation)) == (job.train_count, job.validation_count) == (8, 2)
    written = [record["filename"] for record in train + validation]
    assert sorted(written) == [f"image_{n:04}.jpg" for n in range(10)]
    told = receipt(job)
    assert (told["parts"]["train"]["assets"], told["parts"]["validation"]["assets"]) == (8, 2)


@pytest.mark.parametrize(("ratio", "counts"), [("0", (4, 0)), ("1", (0, 4))])
def test_an_extreme_ratio_leaves_an_empty_part(valves: Dataset, ratio: str, counts: tuple[int, int]) -> None:
    cast.make_annotated(valves, 4)
    job = export(valves, ratio=ratio)
    assert (len(lines(job, "train/annotations.jsonl")), len(lines(job, "validation/annotations.jsonl"))) == counts


def test_seeds(valves: Dataset) -> None:
    cast.make_annotated(valves, 60)

    def validation(job: ExportJob) -> bytes:
        return members(job)["validation/annotations.jsonl"]

    fresh, another = export(valves, ratio="0.3"), export(valves, ratio="0.3")
    assert fresh.spec.seed != another.spec.seed
    assert validation(fresh) != validation(another)
    assert validation(export(valves, ratio="0.3", seed=fresh.spec.seed)) == validation(fresh)


def test_a_repeated_export_has_the_same_bytes(valves: Dataset) -> None:
    cast.make_annotated(valves, 40)
    for n in range(3):
        cast.make_annotation(cast.make_asset(valves, f"p{n}.jpg", image=cast.jpeg(color="red")))
    first = export(valves, ratio="0.5", normalized=True, include_images=True)
    again = repeat_export(first, user=None)
    runner.run(again.pk, worker="another")
    again.refresh_from_db()
    one, two = members(first), members(again)
    assert one.pop("export.json") != two.pop("export.json")
    assert one == two
    assert again.spec == first.spec


def test_an_export_is_of_one_moment(valves: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody edits while the export is being written: what was added, changed or deleted does not leak in."""
    assets = cast.make_annotated(valves, 5)
    monkeypatch.setattr(queries, "_ASSETS_A_CHUNK", 1)
    real_head, edited = vi_jsonl.head, threading.Event()

    def edit() -> None:
        Annotation.objects.filter(asset=assets[4]).delete()
        Annotation.objects.filter(asset=assets[3]).update(contents='{"type":"PhraseGrounding","caption":"edited"}')
        cast.make_annotated(valves, 1, start=100)
        edited.set()
        connection.close()

    def head_and_edit(record: Any) -> bytes:
        if not edited.is_set():
            editor = threading.Thread(target=edit)
            editor.start()
            editor.join()
        return real_head(record)

    monkeypatch.setattr(vi_jsonl, "head", head_and_edit)
    job = export(valves)
    assert edited.is_set()
    records = lines(job)
    assert [record["filename"] for record in records] == [f"image_000{n}.jpg" for n in range(5)]
    assert "edited" not in str(records)
