"""What nobody comes back for goes with a worker's sweep."""

from __future__ import annotations

import uuid
from pathlib import Path

from django.conf import settings

from datasets import removal
from datasets.models import Dataset
from vi_portal.celery import app
from vi_portal.jobs.sweep import sweep


def test_a_sweep_removes_deleted_datasets_and_files_of_no_session(valves: Dataset) -> None:
    app.loader.import_default_modules()  # as a worker does
    folder = Path(settings.UPLOAD_DIR) / str(uuid.uuid4())
    folder.mkdir(parents=True)
    removal.remove_dataset(valves, by="Ana")

    sweep()

    assert not Dataset.everything.filter(pk=valves.pk).exists()
    assert not folder.exists()
