"""What an export promises, from the request to the file."""

from __future__ import annotations

import errno
import hashlib
import os
import threading
import zlib
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.files.storage import default_storage
from django.db import connection
from django.utils import timezone

from datasets.contents import PhraseGrounding
from datasets.filters import AssetFilter
from datasets.models import Annotation, Asset, Dataset
from exports import reading_back, runner, sources, storage
from exports.dispatch import repeat_export, request_export
from exports.formats import vi_jsonl
from exports.models import ExportJob
from exports.sources import Source
from exports.spec import ExportSpec, SpecError
from tests import cast
from tests.exports.reading import archive_path, boxes, export, leftovers, lines, members, receipt
from vi_portal.accounts.models import User
from vi_portal.jobs.models import State
from vi_portal.jobs.progress import Progress

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "snapshot"])


@pytest.fixture
def valves() -> Dataset:
    return cast.make_dataset(cast.make_organization())


# Boxes


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


# Which assets, and which part


def test_asked_is_written_plus_skipped(valves: Dataset) -> None:
    cast.make_annotated(valves, 7)
    bare = [cast.make_asset(valves, f"bare_{n}.jpg") for n in range(3)]
    job = export(valves)
    told = receipt(job)
    assert told["totals"]["assets"] == {"asked": 10, "written": 7, "skipped": 3}
    assert {skipped["asset_id"] for skipped in told["skipped"]} == {asset.uid for asset in bare}
    assert {skipped["reason"] for skipped in told["skipped"]} == {"no annotations"}
    assert (job.assets_selected, job.assets_written, job.assets_skipped, len(lines(job))) == (10, 7, 3, 7)


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


# The same again


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
    monkeypatch.setattr(sources, "_ASSETS_A_CHUNK", 1)
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


# Images and names


def test_images_are_byte_identical_and_stored_beside(valves: Dataset) -> None:
    pictures = {f"p{n}.jpg": cast.jpeg(200, 100 + n) for n in range(6)}
    for name, picture in pictures.items():
        cast.make_annotation(cast.make_asset(valves, name, image=picture))
    job = export(valves, include_images=True, ratio="0.5", seed=1)
    found = {Path(name).name: (name, content) for name, content in members(job).items() if "/images/" in name}
    assert {name: content for name, (_, content) in found.items()} == pictures
    for part in ("train", "validation"):
        for record in lines(job, f"{part}/annotations.jsonl"):
            assert found[record["filename"]][0] == f"{part}/images/{record['filename']}"
    assert receipt(job)["totals"]["images"] == {"asked": 6, "written": 6, "skipped": 0}


def test_a_missing_or_changed_image_is_a_named_warning(valves: Dataset) -> None:
    assets = [cast.make_asset(valves, f"p{n}.jpg", image=cast.jpeg(100, 100 + n)) for n in range(4)]
    assets.append(cast.make_asset(valves, "never_uploaded.jpg"))
    for asset in assets:
        cast.make_annotation(asset)
    default_storage.delete(assets[1].file)
    Path(default_storage.path(assets[2].file)).write_bytes(b"other bytes")
    Asset.objects.filter(pk=assets[3].pk).update(flaw="The file ends too early.", exif_orientation=6)
    for format_key in ("ViJsonl", "ViTfrecord"):
        job = export(valves, format=format_key, include_images=True)
        told = receipt(job)
        assert told["totals"]["assets"]["written"] == 5
        assert told["totals"]["images"] == {"asked": 5, "written": 2, "skipped": 3}
        assert job.warnings["images"] == {"missing": 3, "damaged": 1, "oriented": 1}
        missing = {w["filename"]: w["reason"] for w in told["warnings"] if w["what"] == "images: missing"}
        assert missing.keys() == {"p1.jpg", "p2.jpg", "never_uploaded.jpg"}
        assert "not the one that was uploaded" in missing["p2.jpg"]
        assert str(Path(default_storage.path("x")).parent) not in str(told)
    assert [name for name in members(export(valves, include_images=True)) if name.startswith("images/")] == [
        "images/p0.jpg",
        "images/p3.jpg",
    ]


HOSTILE_NAMES = [
    "twin.jpg",
    "twin.jpg",
    "Twin.JPG",
    "../evil.jpg",
    "..\\..\\evil.jpg",
    "/etc/passwd",
    "C:\\x.jpg",
    "CON.jpg",
    "nul",
    "cafe\u0301.jpg",
    "caf\u00e9.jpg",
    "\U0001f30a wave.png",
    "long" * 75 + ".jpg",
    "long" * 75 + "er.jpg",
    "trailing. . ",
    "a<b>c:d|e?f*.jpg",
    "..",
    "x\u202egpj.exe",
]


def test_hostile_names_all_survive_and_none_escapes(valves: Dataset) -> None:
    for number, name in enumerate(HOSTILE_NAMES):
        cast.make_annotation(cast.make_asset(valves, name, image=cast.jpeg(50 + number, 40)))
    job = export(valves, include_images=True)
    written = members(job)
    images = [name.removeprefix("images/") for name in written if name.startswith("images/")]
    assert len(images) == len(HOSTILE_NAMES)
    assert len({name.casefold() for name in images}) == len(HOSTILE_NAMES)
    for name in images:
        assert "/" not in name
        assert "\\" not in name
        assert ":" not in name
        assert name.strip(". ") != ""
        assert len(name.encode()) <= 255
        assert name.split(".")[0].lower() not in ("con", "nul")
    records = lines(job)
    assert [record["filename"] for record in records] == images
    assert [record.get("original_filename", record["filename"]) for record in records] == HOSTILE_NAMES
    assert "caf\u00e9.jpg" in images
    assert hashlib.sha256(written["images/twin.jpg"]).hexdigest() == Asset.objects.order_by("pk")[0].sha256


# Bad records


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


# The receipt


def test_the_receipt_knows_every_other_member(valves: Dataset) -> None:
    cast.make_annotation(cast.make_asset(valves, "p.jpg", image=cast.jpeg()))
    job = export(valves, include_images=True)
    written = members(job)
    written.pop("export.json")
    told = {member["name"]: (member["size"], member["crc32"]) for member in receipt(job)["members"]}
    assert told == {name: (len(content), f"{zlib.crc32(content):08x}") for name, content in written.items()}
    (image,) = (member for member in receipt(job)["members"] if member["name"].endswith(".jpg"))
    assert image["sha256"] == hashlib.sha256(written[image["name"]]).hexdigest()


def test_the_row_knows_the_file(valves: Dataset) -> None:
    cast.make_annotated(valves, 3)
    job = export(valves)
    content = archive_path(job).read_bytes()
    assert (job.size, job.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert job.percent == 100
    assert job.expires_at is not None


def test_labels_are_counted_per_part(valves: Dataset) -> None:
    for n in range(4):
        contents = cast.grounding("A red valve", "red valve", (1, 1, 5, 5), (n, n, 40, 40))
        cast.make_annotation(cast.make_asset(valves, f"{n}.jpg"), contents)
    told = receipt(export(valves, ratio="0.25"))
    assert told["parts"]["train"]["labels"] == {"red valve": 6}
    assert told["parts"]["validation"]["labels"] == {"red valve": 2}
    assert told["totals"]["boxes"]["written"] == 8


# Faults in this very process


@pytest.mark.parametrize("at_a_time", [1, 2, 3, 4, 100])
def test_labels_are_numbered_over_the_whole_dataset(
    valves: Dataset, monkeypatch: pytest.MonkeyPatch, at_a_time: int
) -> None:
    other = cast.make_dataset(valves.organization, name="Others")
    for n, words in enumerate(["zebra", "", "apple, pie", "ünï 赤い", "apple, pie", 'quo"te\\', "Zed"]):
        asset = cast.make_asset(valves, f"{n}.jpg")
        cast.make_asset(valves, f"{n}-unannotated.jpg")
        if words:
            cast.make_annotation(asset, cast.grounding(f"A {words} here", words))
            cast.make_annotation(asset, PhraseGrounding("Nothing to see", []))
            cast.make_annotation(cast.make_asset(other, f"{n}.jpg"), cast.grounding("another", "another"))
    monkeypatch.setattr(sources, "_ASSETS_A_TALLY", at_a_time)
    spec = ExportSpec(format="ViTfrecord", filter=AssetFilter(search="0.jpg"))
    with Source.open(valves, spec) as source:
        assert source.labels() == ("Zed", "apple, pie", 'quo"te\\', "zebra", "ünï 赤い")
    with Source.open(cast.make_dataset(valves.organization, name="Empty"), spec) as source:
        assert source.labels() == ()


def test_a_job_is_done_once(valves: Dataset) -> None:
    cast.make_annotated(valves, 3)
    job = export(valves)
    before = archive_path(job).stat().st_mtime_ns
    for _ in range(3):
        runner.run(job.pk, worker="late messenger")
    job.refresh_from_db()
    assert (job.attempts, archive_path(job).stat().st_mtime_ns) == (1, before)


def test_cancelled_while_written_leaves_no_file(valves: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    cast.make_annotated(valves, 3)
    job = request_export(ExportSpec(), dataset=valves, user=None, ring=False)
    real_publish = storage.publish

    def cancelled_at_the_last_moment(part: Path, *, sent: Callable[[int], None]) -> str:
        ExportJob.objects.get(pk=job.pk).cancel(by="Ana")
        return real_publish(part, sent=sent)

    monkeypatch.setattr(storage, "publish", cancelled_at_the_last_moment)
    runner.run(job.pk, worker="test")
    job.refresh_from_db()
    assert (job.state, job.failure, job.archive) == (State.FAILED, "Cancelled by Ana.", "")
    assert list(Path(settings.ARCHIVE_DIR).iterdir()) == []


def test_a_full_disk_is_said_so(valves: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    cast.make_annotated(valves, 3)
    real_open = Path.open

    def open_full(self: Path, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        # /dev/full is a disk with no room: every write to it fails as on a full one.
        target = Path("/dev/full") if self.suffix == ".part" and "w" in mode else self
        return real_open(target, mode, *args, **kwargs)

    monkeypatch.setattr(Path, "open", open_full)
    job = export(valves)
    assert job.state == State.FAILED
    assert "The disk is full" in job.failure


def test_the_files_are_gone_when_the_row_is_told_for_it_needs_the_room_on_a_full_disk(
    valves: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    cast.make_annotated(valves, 3)
    there: list[list[str]] = []
    real_fail = ExportJob.fail

    def fail(job: ExportJob, reason: str, **more: Any) -> None:
        there.append(leftovers())
        real_fail(job, reason, **more)

    def full(record: Any) -> str:
        there.append(leftovers())
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(ExportJob, "fail", fail)
    monkeypatch.setattr(vi_jsonl, "head", full)
    export(valves)
    while_writing, when_told = there
    assert (bool(while_writing), when_told) == (True, [])


@pytest.mark.parametrize("damaged", [False, True])
def test_what_a_full_disk_did_not_take_after_all_is_a_full_disk_too(
    valves: Dataset, monkeypatch: pytest.MonkeyPatch, damaged: bool
) -> None:
    cast.make_annotated(valves, 1)

    def full(number: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    def check(*_: Any, **__: Any) -> None:
        raise reading_back.DamagedArchive("It does not read back.")

    monkeypatch.setattr(os, "fsync", full)
    if damaged:
        monkeypatch.setattr(reading_back, "check", check)
    assert "The disk is full" in export(valves).failure
    assert leftovers() == []


def test_no_room_for_a_folder_is_a_full_disk_too(valves: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    cast.make_annotated(valves, 1)

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(storage, "spool_path", full)
    assert "The disk is full" in export(valves).failure


def test_an_unexpected_error_is_logged_once_and_told_without_its_trace(
    valves: Dataset, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    cast.make_annotated(valves, 3)

    def broken(record: Any) -> str:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(vi_jsonl, "head", broken)
    job = export(valves)
    assert job.state == State.FAILED
    assert "secret detail" not in job.failure
    assert sum("secret detail" in str(record.exc_info) for record in caplog.records) == 1
    assert not leftovers()


def test_who_asked_may_be_deleted_meanwhile(valves: Dataset) -> None:
    cast.make_annotated(valves, 1)
    asker = cast.make_member(valves.organization, "dora")
    job = request_export(ExportSpec(), dataset=valves, user=asker, ring=False)

    def delete(progress: Progress) -> None:
        if progress.phase == "Writing annotations":
            User.objects.all().delete()

    runner.run(job.pk, worker="here", progress=Progress(delete))
    job.refresh_from_db()
    assert (job.state, job.user, job.failure) == (State.FINISHED, None, "")
    assert receipt(job)["requested_by"] == "Dora"


@pytest.mark.parametrize("days", [-30, 30])
def test_a_worker_with_a_wrong_clock_keeps_archives_for_as_long_as_promised(
    valves: Dataset, monkeypatch: pytest.MonkeyPatch, days: int
) -> None:
    cast.make_annotated(valves, 2)
    right = timezone.now
    with monkeypatch.context() as there:
        there.setattr(timezone, "now", lambda: right() + timedelta(days=days))
        job = export(valves)
        ExportJob.discard_leftovers()

    ExportJob.discard_leftovers()

    job.refresh_from_db()
    assert archive_path(job).is_file()
    assert job.expires_at is not None
    assert abs(job.expires_at - right() - timedelta(days=settings.EXPORT_RETENTION_DAYS)) < timedelta(minutes=5)
