"""Images in archives: their bytes as they were uploaded, and a name for each whatever it was called."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from django.core.files.storage import default_storage

from datasets.models import Asset, Dataset
from tests import cast
from tests.exports.reading import export, lines, members, receipt

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "snapshot"])


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
