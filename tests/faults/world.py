"""What is exported in every round, and what must hold of it afterwards."""

from __future__ import annotations

import hashlib
import io
import json
import random
import struct
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import google_crc32c
import httpx
from django.conf import settings
from django.db import DatabaseError, connections
from django.test import Client
from django.urls import reverse
from PIL import Image

from datasets.models import Annotation, Dataset
from exports.models import ExportJob, ExportShard
from tests import cast
from tests.faults.team import Team, wait_until
from tests.frame.portal import make_large
from vi_portal.accounts.models import SecretKey
from vi_portal.jobs.models import State

Answer = TypeVar("Answer")

#: A program of its own, because TensorFlow takes half a gigabyte and does not give it back.
_READ_BY_TENSORFLOW = """
import sys
import tensorflow as tf
records = tf.data.TFRecordDataset(sys.argv[1:])
print(sum(1 for text in records if tf.train.Example.FromString(text.numpy()).features.feature))
"""


@dataclass
class Kind:
    """One sort of export, and what it is when nothing disturbs it."""

    name: str
    format: str
    images: bool
    #: Seconds from the request to the first byte, and from there to the end.
    before: float = 0.0
    writing: float = 0.0
    members: dict[str, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class World:
    """The dataset everybody exports, and the key of somebody who may."""

    key: str
    #: The session of somebody at a browser.
    session: str
    dataset: Dataset
    assets: int
    annotations: int
    kinds: tuple[Kind, ...]

    @classmethod
    def make(cls, *, assets: int, annotations: int, images: Sequence[bool]) -> World:
        """A dataset of so many assets with so many annotations each; exports with and without `images`."""
        organization = cast.make_organization()
        ana = cast.make_member(organization, "ana")
        key = SecretKey.objects.make(membership=ana.memberships.get(), name="Faults", read_only=False)[1]
        dataset = cast.make_dataset(organization)
        make_large(dataset, assets=assets - 1, annotations=annotations)
        pictured = cast.make_asset(dataset, "pictured.jpg", image=_noise())
        cast.make_annotation(pictured)
        columns = ("file", "size", "sha256", "crc32", "mime_type")
        # One image file for every hundredth asset, as if that many had been uploaded that are alike.
        dataset.assets.filter(uid__endswith="00").update(**{name: getattr(pictured, name) for name in columns})
        total = Annotation.objects.filter(asset__dataset=dataset).count()
        kinds = [
            Kind(f"{name} with images" if pictures else name, name, images=pictures)
            for name in ("ViJsonl", "ViTfrecord")
            for pictures in images
        ]
        browser = Client()
        browser.force_login(ana, backend="django.contrib.auth.backends.ModelBackend")
        session = browser.cookies["sessionid"].value
        return cls(key, session, dataset, dataset.assets.count(), total, tuple(kinds))

    def ask(self, team: Team, kind: Kind) -> int:
        """Ask the portal for an export, as a program does; the status of the answer, 0 for none."""
        address = f"/workspaces/{self.dataset.organization_id}/datasets/{self.dataset.pk}/datasetExports"
        options = {"includeImages": kind.images, "splitRatio": 0.7, "seed": 7}
        try:
            answer = httpx.post(
                team.url + address,
                json={"spec": {"format": kind.format, "options": options}},
                headers={"Authorization": f"Bearer {self.key}"},
                timeout=60,
                trust_env=False,
            )
        except httpx.HTTPError:
            return 0
        return answer.status_code

    def look(self, team: Team) -> list[int]:
        """Look at the history of the exports as a person and as a program do; the statuses of the answers, 0 for
        none."""
        page = reverse("job-history", args=[self.dataset.pk])
        api = f"/workspaces/{self.dataset.organization_id}/datasets/{self.dataset.pk}/datasetExports"
        asked = {page: {"Cookie": f"sessionid={self.session}"}, api: {"Authorization": f"Bearer {self.key}"}}
        statuses = []
        for address, headers in asked.items():
            try:
                answer = httpx.get(team.url + address, headers=headers, timeout=60, trust_env=False)
                statuses.append(answer.status_code)
            except httpx.HTTPError:
                statuses.append(0)
        return statuses

    def kind_of(self, job: ExportJob) -> Kind:
        [kind] = [kind for kind in self.kinds if (kind.format, kind.images) == (job.format, job.spec.include_images)]
        return kind

    def learn(self, team: Team, kind: Kind) -> None:
        """Run an undisturbed export of `kind`: how long it takes, and what is in it."""
        for turn in range(2):  # the first one loads TensorFlow
            asked = time.monotonic()
            assert self.ask(team, kind) == 200
            wait_until(lambda: list(team.archives.iterdir()), what="an export is written")
            begun = time.monotonic()
            job = wait_until(finished_job, what="the undisturbed export is finished")
            assert job is not None
            before, writing = begun - asked, time.monotonic() - begun
            if turn == 0 or before + writing < kind.before + kind.writing:
                kind.before, kind.writing = before, writing
            if not kind.members:
                with team.fetched(job.archive) as path:
                    kind.members = members(path)
                    if kind.format == "ViTfrecord":
                        assert count_by_tensorflow(path) == self.assets
            self.check(team, job)
            clear(team)

    def check(self, team: Team, job: ExportJob) -> None:
        """The finished `job` has one archive, which verifies and holds every asset and annotation of the dataset."""
        with team.fetched(job.archive) as path:
            self._check_file(path, job)

    def _check_file(self, path: Path, job: ExportJob) -> None:
        kind = self.kind_of(job)
        test = subprocess.run(["unzip", "-tq", str(path)], capture_output=True, text=True, check=False)
        assert test.returncode == 0, test.stdout + test.stderr
        with path.open("rb") as file:
            assert hashlib.file_digest(file, "sha256").hexdigest() == job.sha256
        assert path.stat().st_size == job.size
        assert job.assets_selected == self.assets
        assert job.assets_written == self.assets
        assert job.annotations_written == self.annotations
        with zipfile.ZipFile(path) as archive:
            assert counted(archive, kind.format) == (self.assets, self.annotations)
        found = members(path)
        differing = {name for name in found | kind.members if found.get(name) != kind.members.get(name)}
        assert not differing, f"It differs from the undisturbed export in {sorted(differing)}"


def _noise() -> bytes:
    """An image that no compression makes smaller, so that an archive with images is sent to a store in parts."""
    pixels, buffer = random.Random(7).randbytes(400 * 300 * 3), io.BytesIO()
    Image.frombytes("RGB", (400, 300), pixels).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def counted(archive: zipfile.ZipFile, format_key: str) -> tuple[int, int]:
    """How many assets and annotations there are in the archive, by its own records."""
    assets = annotations = 0
    for name in archive.namelist():
        if format_key == "ViJsonl" and name.endswith(".jsonl"):
            lines = [json.loads(line) for line in archive.read(name).splitlines()]
            assets += len(lines)
            annotations += sum(len(line["annotations"]) for line in lines)
        elif ".tfrecord" in name:
            assets += count_records(archive.read(name))
    told = json.loads(archive.read("export.json"))
    if format_key != "ViJsonl":
        annotations = told["totals"]["annotations"]["written"]
    for line in (told["totals"][what] for what in ("assets", "annotations")):
        assert line["asked"] == line["written"] + line["skipped"]
    return assets, annotations


def count_records(text: bytes) -> int:
    """The records of a TFRecord file; each length and each record has its checksum."""
    place = records = 0
    while place < len(text):
        (length,) = struct.unpack_from("<Q", text, place)
        for start, size in ((place, 8), (place + 12, length)):
            (masked,) = struct.unpack_from("<I", text, start + size)
            crc = google_crc32c.value(text[start : start + size])
            assert masked == (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF
        place += 16 + length
        records += 1
    return records


def count_by_tensorflow(path: Path) -> int:
    """How many examples TensorFlow itself reads from the archive."""
    with TemporaryDirectory() as folder, zipfile.ZipFile(path) as archive:
        files = [archive.extract(name, folder) for name in archive.namelist() if ".tfrecord" in name]
        command = [sys.executable, "-c", _READ_BY_TENSORFLOW, *files]
        told = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(told.stdout.split()[-1])


def members(path: Path) -> dict[str, tuple[int, int]]:
    """CRC-32 and size of each member but the receipt, which tells of the job itself."""
    with zipfile.ZipFile(path) as archive:
        return {
            info.filename: (info.CRC, info.file_size) for info in archive.infolist() if info.filename != "export.json"
        }


# What the database says, though it may be away


def seen(question: Callable[[], Answer], *, otherwise: Answer) -> Answer:
    """The answer of the database, over a connection made for it."""
    try:
        return question()
    except DatabaseError:
        return otherwise
    finally:
        connections.close_all()


def jobs() -> list[ExportJob]:
    return seen(lambda: list(ExportJob.objects.order_by("created_at")), otherwise=[])


def finished_job() -> ExportJob | None:
    found = jobs()
    assert not [job.failure for job in found if job.state == State.FAILED], found[0].failure
    return next((job for job in found if job.state == State.FINISHED), None)


def all_over(number: int) -> bool:
    """Whether at least `number` jobs are there and none is under way."""
    found = jobs()
    return len(found) >= number and not any(job.is_active for job in found)


def untidy(team: Team) -> dict[str, Any]:
    """What is there and should not be, once every job is over."""
    archives = {job.archive for job in jobs() if job.state == State.FINISHED}
    found = team.published()
    shards = seen(ExportShard.objects.count, otherwise=-1)
    wrong = {
        "surplus": sorted(found - archives),
        "missing": sorted(archives - found),
        "aside": team.aside(),
        "shards": shards,
    }
    return {name: what for name, what in wrong.items() if what}


def clear(team: Team) -> None:
    """Discard every export; then there is no file left."""
    for job in jobs():
        job.discard()
    wait_until(lambda: not untidy(team), what="the folders of the archives are empty")
    assert Path(settings.ARCHIVE_DIR) == team.archives
