"""The receipt in the archive and the row of the job: what they know of the files and the labels."""

from __future__ import annotations

import hashlib
import zlib

import pytest

from datasets.models import Dataset
from tests import cast
from tests.exports.reading import archive_path, export, members, receipt

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "snapshot"])


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
