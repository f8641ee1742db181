"""Running an export in this very thread, and reading what came of it with other people's readers."""

from __future__ import annotations

import json
import zipfile
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.conf import settings

from datasets.filters import AssetFilter
from datasets.models import Dataset
from exports import runner
from exports.dispatch import request_export
from exports.models import ExportJob
from exports.spec import ExportSpec


def export(dataset: Dataset, *, ratio: str | None = None, **options: Any) -> ExportJob:
    """Ask for an export and do it; the job as it then is."""
    chosen = AssetFilter(search=options.pop("search", ""), annotated=options.pop("annotated", ""))
    spec = ExportSpec(validation_ratio=None if ratio is None else Decimal(ratio), filter=chosen, **options)
    job = request_export(spec, dataset=dataset, user=None, ring=False)
    runner.run(job.pk, worker="test")
    job.refresh_from_db()
    return job


def archive_path(job: ExportJob) -> Path:
    assert job.archive, job.failure
    return Path(settings.ARCHIVE_DIR) / job.archive


def members(job: ExportJob) -> dict[str, bytes]:
    """Every member of the job's archive, read by the standard library, which checks each CRC."""
    with zipfile.ZipFile(archive_path(job)) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def receipt(job: ExportJob) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(members(job)["export.json"])
    return loaded


def lines(job: ExportJob, name: str = "annotations.jsonl") -> list[dict[str, Any]]:
    return [json.loads(line) for line in members(job)[name].decode().splitlines()]


def boxes(record: dict[str, Any]) -> list[list[float]]:
    """Every box of a Vi JSONL record."""
    return [
        box
        for annotation in record["annotations"]
        for phrase in annotation["contents"]["groundedPhrases"]
        for box in phrase["bounds"]
    ]


def leftovers() -> list[str]:
    """Files beside published archives."""
    folders = [Path(settings.ARCHIVE_DIR), Path(settings.SPOOL_DIR)]
    return [path.name for folder in folders if folder.is_dir() for path in folder.iterdir() if path.suffix != ".zip"]
