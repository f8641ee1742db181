"""Large exports on a store: it puts the archive together, and no machine's disk holds the whole."""

from __future__ import annotations

import hashlib
import re
import zipfile
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from datasets import images
from datasets.models import Dataset, NewAsset
from exports.models import ExportJob, ExportShard
from exports.registry import FORMATS
from exports.shards import dealing
from tests import cast
from tests.exports.reading import export, leftovers
from tests.exports.sharing import another_worker, sign_in
from tests.services.s3.joined import content, members
from tests.services.s3.kit import noisy_png, with_images
from tests.services.store import Asked, Bucket, Store, Way
from vi_portal.jobs.lease import Watch
from vi_portal.s3 import cutting, uploading

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "snapshot"]),
    pytest.mark.usefixtures("small"),
]


def assert_same(job: ExportJob, archive: bytes, alone: bytes) -> None:
    """All that precedes the receipt, which tells the job's own id, is the same to the byte."""
    assert members(archive) == members(alone)
    assert (job.size, job.sha256) == (len(archive), hashlib.sha256(archive).hexdigest())
    until = [zipfile.ZipFile(BytesIO(each)).getinfo("export.json").header_offset for each in (alone, archive)]
    assert archive[: until[1]] == alone[: until[0]]


ASKED: list[dict[str, Any]] = [
    {"ratio": "0.3", "seed": 7, "include_images": True},
    {"include_images": False},
    {"format": "ViTfrecord", "ratio": "0.3", "seed": 7, "include_images": True},
    {"format": "ViFull", "ratio": "0.3", "seed": 7},
]


@pytest.mark.parametrize("asked", ASKED, ids=lambda asked: asked.get("format", "ViJsonl"))
def test_the_archive_the_store_puts_together_is_the_one_of_a_single_worker(
    valves: Dataset, bucket: Bucket, server: Store, way: Way, settings: Any, asked: dict[str, Any]
) -> None:
    if asked.get("format") == "ViTfrecord" and not server.is_real:
        pytest.skip("TensorFlow takes long to load: with the real store only.")
    with_images(valves, 13)
    settings.EXPORT_SHARD_RECORDS = 1000
    alone = content(export(valves, **asked), bucket)
    settings.EXPORT_SHARD_RECORDS = 4
    sign_in("one", "other")
    with another_worker():
        job = export(valves, **asked)
    assert_same(job, content(job, bucket), alone)
    if asked.get("include_images", True):
        assert any("x-amz-copy-source-range" in request.headers for request in way.asked)
    assert [key for key in bucket.keys("team/exports/") if not key.endswith(".zip")] == []
    assert (bucket.unfinished(), leftovers(), ExportShard.objects.exists()) == ([], [], False)


def test_a_store_that_cannot_put_archives_together_gets_them_from_the_worker_s_disk(
    valves: Dataset, bucket: Bucket, way: Way, settings: Any
) -> None:
    stored = with_images(valves, 13)
    settings.EXPORT_SHARD_RECORDS = 1000
    alone = content(export(valves, include_images=True, seed=7), bucket)
    settings.EXPORT_SHARD_RECORDS = 4
    settings.S3_JOIN = False
    sign_in("one", "other")
    way.asked.clear()
    with another_worker():
        job = export(valves, include_images=True, seed=7)
    assert_same(job, content(job, bucket), alone)
    assert len(members(alone)) == 1 + len(stored)
    asked_for = [asked for asked in way.asked if asked.method in ("PUT", "POST")]
    assert len([asked for asked in asked_for if asked.path.endswith(".zip")]) == 1
    assert len([asked for asked in asked_for if asked.path.endswith(".fragment")]) > 1
    assert not [asked for asked in asked_for if "x-amz-copy-source" in asked.headers]
    assert [key for key in bucket.keys("team/exports/") if not key.endswith(".zip")] == []


def test_one_worker_alone_puts_it_together_as_well(valves: Dataset, bucket: Bucket, way: Way) -> None:
    stored = with_images(valves, 9)
    sign_in("one")
    found = members(content(export(valves, include_images=True), bucket))
    assert {name.removeprefix("images/"): found[name] for name in found if name.startswith("images/")} == stored
    assert sum(asked.method == "PUT" and asked.path.endswith(".fragment") for asked in way.asked) > 4


def test_parts_are_as_large_as_any_store_wants_them_and_most_bytes_are_copied(
    valves: Dataset, bucket: Bucket, way: Way, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cutting, "SMALLEST_PART", 5 * 2**20)
    settings.EXPORT_SHARD_RECORDS = 5
    stored = {f"noise_{number}.png": noisy_png(1000, 700) for number in range(13)}
    for name, content_of in stored.items():
        facts = images.store_image(BytesIO(content_of), dataset=valves, uid=name, filename=name)
        [asset] = valves.add_assets([NewAsset(name, facts)])
        cast.make_annotation(asset, cast.grounding("A red valve", "red valve", (1, 2, 30, 40)))
    way.asked.clear()
    on_disk = list[int]()

    def look(asked: Asked) -> None:
        folders = (Path(settings.ARCHIVE_DIR), Path(settings.SPOOL_DIR))
        on_disk.append(sum(path.stat().st_size for folder in folders for path in folder.rglob("*.*") if path.is_file()))

    way.fault = look
    job = export(valves, format="ViFull")
    way.answer_well()
    assert max(map(len, stored.values())) < max(on_disk) < (job.size or 0) * 0.5, "no disk has more than a shard"
    found = members(content(job, bucket))
    assert {name.rpartition("/")[2]: found[name] for name in found if name.endswith(".png")} == stored
    sent, copied = parts_of(job, way)
    assert all(size >= 5 * 2**20 for size in map(max, sent[:-1], copied[:-1]))
    assert sum(copied) > sum(sent)


def test_shards_too_small_for_a_part_are_sent_with_what_follows_them(
    valves: Dataset, bucket: Bucket, way: Way, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = with_images(valves, 24)
    smallest = 5 * max(map(len, stored.values()))
    monkeypatch.setattr(cutting, "SMALLEST_PART", smallest)
    monkeypatch.setattr(dealing, "_SHARDS_LEFT", 4)
    settings.EXPORT_SHARD_RECORDS = 8
    way.asked.clear()
    job = export(valves, format="ViFull")
    found = members(content(job, bucket))
    assert {name.rpartition("/")[2]: found[name] for name in found if name.endswith(".jpg")} == stored
    fragments = [asked.size for asked in way.asked if asked.method == "PUT" and asked.path.endswith(".fragment")]
    assert min(fragments) < smallest < max(fragments)
    sent, copied = parts_of(job, way)
    assert all(size >= smallest for size in map(max, sent[:-1], copied[:-1]))
    assert sum(copied) > 0


def parts_of(job: ExportJob, way: Way) -> tuple[list[int], list[int]]:
    """The sizes of the parts that the archive was put together from, in order: what was sent, and what was copied."""
    parts = [asked for asked in way.asked if "partNumber" in asked.path and ".zip" in asked.path]
    parts.sort(key=lambda asked: int(parse_qs(urlsplit(asked.path).query)["partNumber"][0]))
    sent, copied = [asked.size for asked in parts], [size_copied(asked) for asked in parts]
    assert sum(sent) + sum(copied) == job.size
    return sent, copied


def size_copied(asked: Asked) -> int:
    """How many bytes the store was asked to copy."""
    found = re.fullmatch(r"bytes=(\d+)-(\d+)", asked.headers.get("x-amz-copy-source-range", ""))
    return int(found[2]) - int(found[1]) + 1 if found else 0


def test_no_more_images_pass_over_a_disk_at_once_than_make_a_shard(
    valves: Dataset, bucket: Bucket, way: Way, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = with_images(valves, 8)
    settings.EXPORT_SHARD_RECORDS = 1000
    monkeypatch.setitem(FORMATS, "ViJsonl", replace(FORMATS["ViJsonl"], records_a_run=1))
    monkeypatch.setattr(dealing, "BYTES_A_SHARD", 2 * max(map(len, stored.values())))
    found = members(content(export(valves, include_images=True), bucket))
    assert len([name for name in found if name.startswith("images/")]) == 8
    assert sum(asked.method == "PUT" and asked.path.endswith(".fragment") for asked in way.asked) == 1 + 4


@pytest.mark.parametrize("wanted", ["ViJsonl", "ViFull"])
def test_shards_are_of_even_weight_though_the_images_are_not(
    valves: Dataset, bucket: Bucket, way: Way, settings: Any, monkeypatch: pytest.MonkeyPatch, wanted: str
) -> None:
    large, small = noisy_png(400, 300), cast.jpeg()
    for number in range(12):  # the small ones make the average a tenth of what the last have
        name = f"{number:02}.png"
        facts = images.store_image(BytesIO(small if number < 8 else large), dataset=valves, uid=name, filename=name)
        [asset] = valves.add_assets([NewAsset(name, facts)])
        cast.make_annotation(asset, cast.grounding("A red valve", "red valve", (1, 2, 30, 40)))
    settings.EXPORT_SHARD_RECORDS = 12
    monkeypatch.setitem(FORMATS, wanted, replace(FORMATS[wanted], records_a_run=12, image_bytes_a_run=len(large) // 4))
    monkeypatch.setattr(dealing, "BYTES_A_SHARD", len(large) * 3 // 2)
    way.asked.clear()
    content(export(valves, format=wanted, include_images=True), bucket)
    fragments = [asked.size for asked in way.asked if asked.method == "PUT" and asked.path.endswith(".fragment")]
    assert len(large) < max(fragments) < len(large) * 3 // 2
    assert len(fragments) < 8


def test_a_fragment_that_takes_long_to_send_keeps_the_progress_moving(
    valves: Dataset, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_images(valves, 5)
    monkeypatch.setattr(uploading, "PART_SIZE", 1000)
    moved, send, advance = list[str](), uploading._send_parts, Watch.advance

    def sending(target: uploading.Target, *arguments: Any) -> Any:
        moved.append(f"sends a {target.key.rpartition('.')[2]}")
        whole = send(target, *arguments)
        moved.append("sent")
        return whole

    def advanced(watch: Watch, steps: int = 1) -> None:
        moved.append("moves")
        advance(watch, steps)

    monkeypatch.setattr(uploading, "_send_parts", sending)
    monkeypatch.setattr(Watch, "advance", advanced)
    content(export(valves, include_images=True), bucket)
    starts = [place for place, what in enumerate(moved) if what == "sends a fragment"]
    assert starts
    assert all(moved[start + 1] == "moves" for start in starts)
