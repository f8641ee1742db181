"""The one door in for images and annotations that lie in files."""

from __future__ import annotations

from pathlib import Path

from datasets.imports import files
from datasets.imports.account import Journal, Report, Summary
from datasets.imports.annotation_import import AnnotationImport
from datasets.imports.arrivals import Arrivals
from datasets.imports.image_import import ImageImport
from datasets.models import Dataset
from vi_portal.jobs.progress import Progress

#: How far the progress is when all images are stored and annotations follow.
_IMAGES_UNTIL = 85


def import_into(
    dataset: Dataset,
    *,
    images: Path | None = None,
    annotations: Path | None = None,
    report: Report,
    progress: Progress | None = None,
) -> Summary:
    """Import the images below the folder `images`, then the lines of `annotations`, a file or a folder of them.

    What is there already is not imported again, so an import that was interrupted is repeated to finish it.
    `report` hears of every line and file that could not be used, or not entirely. Raises `files.NothingThere`
    before anything is written.
    """
    progress = progress or Progress()
    image_files = files.image_files(images) if images else []
    annotation_files = files.annotation_files(annotations) if annotations else []
    journal, arrivals = Journal(report), Arrivals()
    if image_files:
        until = _IMAGES_UNTIL if annotation_files else 100
        progress.enter("Storing images", until=until, total=len(image_files))
        ImageImport(dataset, journal, arrivals, progress).take(image_files)
    if annotation_files:
        size = sum(file.path.stat().st_size for file in annotation_files)
        progress.enter("Reading annotations", until=100, total=size)
        AnnotationImport(dataset, journal, arrivals, progress).take(annotation_files)
    return journal.summary
