"""`manage.py import_dataset`: a folder of images and annotation lines become a dataset, from the shell."""

from __future__ import annotations

import sys
import uuid
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError
from tqdm import tqdm

from datasets.imports.account import Problem, Summary
from datasets.imports.files import NothingThere
from datasets.imports.importer import import_into
from datasets.models import Dataset, DatasetType
from vi_portal.accounts.models import Organization
from vi_portal.jobs.progress import Progress

_FIRST_ORGANIZATION = "My organization"
_GO_ON = "What was stored stays; run the command again to finish."


class Command(BaseCommand):
    help = (
        "Import images and annotations into a dataset, which is made if it does not exist. What is there already is "
        "skipped, so the same command may be run again. Lines that cannot be used are named and skipped."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--name", required=True, help="The dataset's name.")
        parser.add_argument(
            "--type", choices=DatasetType.values, help="What its annotations are; needed for a new dataset."
        )
        parser.add_argument("--images", type=Path, metavar="DIR", help="A folder of images, searched through.")
        parser.add_argument(
            "--annotations",
            type=Path,
            metavar="FILE_OR_DIR",
            help="A .jsonl or .json file, a folder of them, or the tree of a full Vi export.",
        )
        parser.add_argument(
            "--organization", metavar="NAME_OR_ID", help="Whose dataset it is. Default: the first organization."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        images, annotations = options["images"], options["annotations"]
        if images is None and annotations is None:
            raise CommandError("There is nothing to import: give --images, --annotations, or both.")
        organization = _organization(options["organization"])
        dataset, is_new = _dataset(organization, options["name"].strip(), options["type"])
        try:
            summary = self._import(dataset, images, annotations)
            if summary.came_to_nothing:
                raise CommandError("Nothing could be imported; the reasons are above.")
        except (CommandError, NothingThere) as error:
            if is_new:
                dataset.delete()
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            raise CommandError(f"Interrupted. {_GO_ON}") from None
        except OperationalError as error:
            raise CommandError(f"The import stopped, because the database failed: {error}. {_GO_ON}") from error
        except OSError as error:
            raise CommandError(f"The import stopped: {error.strerror or error}. {_GO_ON}") from error
        self._print(dataset, summary)

    def _import(self, dataset: Dataset, images: Path | None, annotations: Path | None) -> Summary:
        layout = "{desc:<19} {percentage:3.0f}% |{bar}| {elapsed}<{remaining}"
        with tqdm(total=100, bar_format=layout, file=sys.stderr, mininterval=0.5, dynamic_ncols=True) as bar:

            def show(progress: Progress) -> None:
                bar.set_description_str(progress.phase, refresh=False)
                bar.update(progress.percent - bar.n)

            def report(problem: Problem) -> None:
                with tqdm.external_write_mode(file=sys.stderr):
                    self.stdout.write(str(problem))

            return import_into(dataset, images=images, annotations=annotations, report=report, progress=Progress(show))

    def _print(self, dataset: Dataset, summary: Summary) -> None:
        self.stdout.write(f"{dataset.name} ({dataset.get_type_display().lower()}), {dataset.pk}")
        self.stdout.write(f"images:      {summary.images}")
        self.stdout.write(f"assets:      {summary.assets}")
        self.stdout.write(f"lines:       {summary.lines_read:,} read, {summary.lines_refused:,} refused")
        self.stdout.write(f"annotations: {summary.annotations}")
        if summary.boxes:
            boxes = [f"{summary.boxes:,} read"]
            boxes += _some(summary.degenerate_boxes, "degenerate box", "degenerate boxes")
            boxes += _some(summary.outside_boxes, "box outside its image", "boxes outside their images")
            self.stdout.write(f"boxes:       {', '.join(boxes)}")
        for words in _some(summary.missing_images, "asset has no image file.", "assets have no image file."):
            self.stdout.write(words)


def _some(number: int, singular: str, plural: str) -> list[str]:
    """`number` with its noun; nothing for none."""
    return [f"{number:,} {singular if number == 1 else plural}"] if number else []


def _organization(name_or_id: str | None) -> Organization:
    organizations = Organization.objects.order_by("created_at", "pk")
    if name_or_id is None:
        return organizations.first() or Organization.objects.create(name=_FIRST_ORGANIZATION)
    found = organizations.filter(name=name_or_id).first()
    if found is None:
        try:
            found = organizations.filter(pk=uuid.UUID(name_or_id)).first()
        except ValueError:
            found = None
    if found is None:
        known = ", ".join(f"“{organization}”" for organization in organizations[:20]) or "none yet"
        raise CommandError(f"There is no organization “{name_or_id}”. There are: {known}.")
    return found


def _dataset(organization: Organization, name: str, type_: str | None) -> tuple[Dataset, bool]:
    """The dataset of that name, and whether it was made just now."""
    existing = organization.datasets.filter(name=name).first()
    if existing is not None:
        if type_ not in (None, existing.type):
            raise CommandError(
                f"“{name}” exists already and its type is {existing.type}, not {type_}. "
                "Leave --type out to add to it, or choose another --name."
            )
        return existing, False
    if not name or len(name) > 200 or "\x00" in name:
        raise CommandError("A dataset's name must have 1 to 200 characters.")
    if type_ is None:
        raise CommandError(f"“{name}” does not exist yet; give its --type to make it: {', '.join(DatasetType.values)}.")
    return organization.datasets.create(name=name, type=type_), True
