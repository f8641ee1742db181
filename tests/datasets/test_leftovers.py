"""What nobody comes back for goes with a worker's sweep."""

from __future__ import annotations

import uuid
from io import BytesIO
from pathlib import Path

from django.conf import settings
from django.core.files.storage import default_storage

from datasets import images, removal
from datasets.models import Dataset
from tests import cast
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


def test_an_image_that_a_killed_web_process_left_goes_with_its_dataset_and_nothing_else(valves: Dataset) -> None:
    pumps = cast.make_dataset(valves.organization, name="Pumps")
    left, kept = (
        images.store_image(BytesIO(cast.jpeg()), dataset=dataset, uid="an-image", filename="a.jpg").file
        for dataset in (valves, pumps)
    )
    folders = [Path(default_storage.path(name)).parent for name in (left, images.thumbnail_key(left))]
    assert all(folder.is_dir() for folder in folders)
    removal.remove_dataset(valves, by="Ana")

    removal.purge_deleted()

    assert not any(folder.exists() for folder in folders)
    assert not Dataset.everything.filter(pk=valves.pk).exists()
    assert all(default_storage.exists(name) for name in (kept, images.thumbnail_key(kept)))
