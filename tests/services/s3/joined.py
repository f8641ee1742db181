"""What became of an export that the store put together."""

from __future__ import annotations

import zipfile
from io import BytesIO

from exports.models import ExportJob
from tests.services.store import Bucket
from vi_portal.jobs.models import State


def content(job: ExportJob, bucket: Bucket) -> bytes:
    assert job.state == State.FINISHED, job.failure
    return bucket.read(f"team/exports/{job.archive}")


def members(archive: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(BytesIO(archive)) as opened:
        assert opened.testzip() is None
        return {name: opened.read(name) for name in opened.namelist() if name != "export.json"}
