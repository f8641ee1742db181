"""`manage.py export_dataset`: the same export as on the page, from the shell."""

from __future__ import annotations

import json
import shutil
import time
import zipfile
from argparse import ArgumentParser
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from datasets.filters import AssetFilter
from datasets.models import Dataset
from exports import runner, storage
from exports.dispatch import request_export
from exports.models import ExportJob
from exports.receipt import FILENAME
from exports.registry import FORMATS
from exports.spec import DEFAULT_FORMAT, ExportSpec, SpecError, parse_ratio, parse_seed
from vi_portal.jobs.models import Refused, State
from vi_portal.jobs.progress import Progress
from vi_portal.jobs.sweep import requeue_lost

#: What is held by a worker is looked at no more often.
_LOOK_SECONDS = 0.1


class Command(BaseCommand):
    help = "Export a dataset's annotations to a zip. The last line printed is the receipt's totals, as JSON."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("dataset", metavar="NAME", help="the dataset's name or id")
        parser.add_argument("--output", required=True, metavar="FILE", type=Path, help="the zip to write")
        parser.add_argument("--format", default=DEFAULT_FORMAT, help=f"one of {', '.join(FORMATS)}")
        parser.add_argument("--include-images", action="store_true", help="put the images in as well")
        parser.add_argument("--validation-ratio", metavar="RATIO", help="the share held back for validation, 0 to 1")
        parser.add_argument("--normalized", action="store_true", help="boxes as fractions of the image, not pixels")
        parser.add_argument("--seed", metavar="N", help="makes the split repeatable")
        parser.add_argument("--search", default="", help="only assets whose file name contains this")
        parser.add_argument("--label", default="", help="only assets that have this phrase or answer")
        parser.add_argument("--organization", metavar="NAME", help="where NAME alone would be ambiguous")

    def handle(self, *args: Any, **options: Any) -> None:
        dataset = _find_dataset(options["dataset"], options["organization"])
        output: Path = options["output"]
        if not output.parent.is_dir():
            raise CommandError(f"There is no folder {output.parent} to write to.")
        if output.exists() and not output.is_file():
            raise CommandError(f"{output} is not a file that can be replaced. Name another.")
        try:
            job = request_export(_parse(options), dataset=dataset, user=None, ring=False)
        except SpecError as error:
            raise CommandError(str(error)) from error
        layout = "{desc:24}{percentage:3.0f}% |{bar}| {elapsed}"
        with tqdm(total=100, bar_format=layout, mininterval=0.5, dynamic_ncols=True) as bar:
            try:
                _run(job, Progress(lambda progress: _draw(bar, progress)))
            except KeyboardInterrupt:
                with suppress(Refused):  # or a worker would take it over
                    job.cancel(by="the command line")
                raise CommandError("Interrupted, and the export is cancelled.") from None
            bar.update(100 - bar.n)
        job.refresh_from_db()
        if job.state != State.FINISHED:
            raise CommandError(job.failure or "The export did not end here; its log and the job history say why.")
        _deliver(job, output)
        with zipfile.ZipFile(output) as archive:
            self.stdout.write(json.dumps(json.loads(archive.read(FILENAME))["totals"]))


def _find_dataset(name: str, organization: str | None) -> Dataset:
    datasets = Dataset.objects.filter(name=name)
    if organization:
        datasets = datasets.filter(organization__name=organization)
    found = list(datasets[:2]) or [dataset for dataset in Dataset.objects.all() if str(dataset.pk) == name]
    if not found:
        known = ", ".join(Dataset.objects.order_by("name").values_list("name", flat=True)[:20])
        raise CommandError(f"There is no dataset “{name}”. There are: {known or 'none yet'}.")
    if len(found) > 1:
        raise CommandError(f"Several organizations have a dataset “{name}”. Say which with --organization.")
    return found[0]


def _parse(options: dict[str, Any]) -> ExportSpec:
    ratio = options["validation_ratio"]
    return ExportSpec(
        format=options["format"],
        include_images=options["include_images"],
        validation_ratio=None if ratio is None else parse_ratio(ratio),
        normalized=options["normalized"],
        seed=parse_seed(options["seed"] or ""),
        filter=AssetFilter.parse({"search": options["search"], "label": options["label"]}),
    )


def _run(job: ExportJob, progress: Progress) -> None:
    """Do the job, with all the attempts it has. A worker may take it between two; then that is waited for."""
    runner.run(job.pk, worker="command line", progress=progress)
    job.refresh_from_db()
    while job.is_active:
        time.sleep(max(settings.JOB_PAUSE_SECONDS, _LOOK_SECONDS))
        requeue_lost(ExportJob)  # there may be nobody else to do it
        runner.run(job.pk, worker="command line", progress=progress)
        job.refresh_from_db()


def _draw(bar: Any, progress: Progress) -> None:
    bar.set_description_str(progress.phase, refresh=False)
    bar.update(max(0, int(progress.percent) - bar.n))


def _deliver(job: ExportJob, output: Path) -> None:
    aside = output.with_name(f".{output.name}.part")
    try:
        with storage.open_archive(job.archive, size=job.size or 0) as source, aside.open("wb") as target:
            shutil.copyfileobj(source, target, 1024 * 1024)
        aside.replace(output)
    except OSError as error:
        raise CommandError(f"The archive could not be written to {output}: {error.strerror}.") from error
    finally:
        aside.unlink(missing_ok=True)
