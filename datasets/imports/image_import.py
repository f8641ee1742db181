"""Image files become assets: each is stored once, and known again by its name and its bytes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO, TypeAlias

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from datasets import images, names
from datasets.decoding import ImageRefused
from datasets.imports.account import Journal, Outcome
from datasets.imports.arrivals import Arrivals
from datasets.imports.batches import batches
from datasets.imports.files import LEADS_OUT, FoundFile
from datasets.models import IMAGE_COLUMNS, Asset, Dataset, ImageFacts, NewAsset, new_uid
from vi_portal.jobs.progress import Progress

Known: TypeAlias = Asset | NewAsset

_BATCH = 200


@dataclass(frozen=True, slots=True)
class _Step:
    """What one file comes to: a new asset, the image an asset was waiting for, or nothing new."""

    file: FoundFile
    asset: Known
    outcome: Outcome
    facts: ImageFacts | None = None


class _WrongSize(ImageRefused):
    """The asset that waits for this image was annotated in another size."""


class ImageImport:
    """Stores images as assets of `dataset` and tells `arrivals` which file is which."""

    def __init__(self, dataset: Dataset, journal: Journal, arrivals: Arrivals, progress: Progress) -> None:
        self._dataset = dataset
        self._journal = journal
        self._arrivals = arrivals
        self._progress = progress
        self._claimed: set[str] = set()

    def take(self, files: Sequence[FoundFile]) -> None:
        """Store `files`, in order, a batch in a transaction."""
        for batch in batches(files, _BATCH):
            known = self._known(batch)
            steps: list[_Step] = []
            try:
                for file in batch:
                    if step := self._try(file, known):
                        steps.append(step)
                    self._progress.advance()
                stored = self._store(steps)
            except BaseException:
                for step in steps:
                    if step.facts is not None:
                        images.discard_image(step.facts.file)
                raise
            self._account_for(steps, stored)

    def _known(self, batch: Sequence[FoundFile]) -> defaultdict[str, list[Known]]:
        """The assets that the files of `batch` may already be, by each of their names."""
        wanted = {_name(file) for file in batch}
        forms = names.spellings(wanted)
        keys = {names.collision_key(name) for name in wanted}
        known: defaultdict[str, list[Known]] = defaultdict(list)
        for condition in (Q(filename__in=forms), Q(member_key__in=keys) & ~Q(filename__in=forms)):
            for asset in self._dataset.assets.filter(condition).order_by("pk"):
                for name in {names.normal(asset.filename), asset.member_name}:
                    known[name].append(asset)
        return known

    def _try(self, file: FoundFile, known: defaultdict[str, list[Known]]) -> _Step | None:
        """Find or store what `file` is; None, and a problem told, where it is refused."""
        if file.leads_out:
            self._refuse(file, LEADS_OUT)
            return None
        try:
            source = file.path.open("rb")
        except OSError as error:
            self._refuse(file, f"The file cannot be opened: {error.strerror}.")
            return None
        try:
            with source:
                step = self._step(file, source, known[names.normal(_name(file))])
        except ImageRefused as error:
            self._refuse(file, str(error))
            return None
        self._claimed.add(step.asset.uid)
        if step.outcome == "created":
            known[names.normal(_name(file))].append(step.asset)
        return step

    def _step(self, file: FoundFile, source: IO[bytes], candidates: Sequence[Known]) -> _Step:
        name = _name(file)
        if any(_sha256(candidate) for candidate in candidates):
            sha256 = images.sha256_of(source)
            for candidate in candidates:
                if _sha256(candidate) == sha256 and self._is_called(candidate, name):
                    return _Step(file, candidate, "already_there")
        uid = new_uid()
        facts = images.store_image(source, dataset=self._dataset, uid=uid, filename=name)
        waiting = self._waiting(candidates, name)
        if waiting is None:
            return _Step(file, NewAsset(name, facts, uid), "created", facts)
        if (waiting.width, waiting.height) != (facts.width, facts.height):
            images.discard_image(facts.file)
            raise _WrongSize(
                f"The image is {facts.width} x {facts.height} px, but the annotations of “{name}” were made for "
                f"{waiting.width} x {waiting.height} px. Import the image they were made on."
            )
        waiting.take_image(facts)
        waiting.updated_at = timezone.now()
        return _Step(file, waiting, "updated", facts)

    def _is_called(self, asset: Known, name: str) -> bool:
        """By the user, or in an archive; the latter counts only once, as names that differ may be one there."""
        if asset.filename == name:
            return True
        return isinstance(asset, Asset) and asset.member_name == name and asset.uid not in self._claimed

    def _waiting(self, candidates: Sequence[Known], name: str) -> Asset | None:
        """The asset that has annotations of this image, but not yet the image."""
        waiting = [
            asset
            for asset in candidates
            if isinstance(asset, Asset) and not asset.file and asset.uid not in self._claimed
        ]
        return min(waiting, key=lambda asset: asset.member_name != name, default=None)

    def _store(self, steps: Sequence[_Step]) -> dict[str, Asset]:
        """Write the rows of `steps`, and return the assets by uid."""
        new = [step.asset for step in steps if isinstance(step.asset, NewAsset) and step.outcome == "created"]
        rows = [step.asset for step in steps if isinstance(step.asset, Asset)]
        updated = [step.asset for step in steps if isinstance(step.asset, Asset) and step.outcome == "updated"]
        with transaction.atomic():
            if new:
                rows += self._dataset.add_assets(new)
            if updated:
                Asset.objects.bulk_update(updated, [*IMAGE_COLUMNS, "updated_at"])
                self._dataset.touch()
        return {row.uid: row for row in rows}

    def _account_for(self, steps: Sequence[_Step], stored: dict[str, Asset]) -> None:
        for step in steps:
            pk = stored[step.asset.uid].pk
            self._journal.summary.images.add("already_there" if step.outcome == "already_there" else "created")
            self._journal.asset(pk, step.outcome)
            self._arrivals.add(step.file.name, pk, created=step.outcome == "created")
            if step.facts is not None and step.facts.flaw:
                self._journal.problem(step.file.name, 0, f"The image is kept as it is. {step.facts.flaw}")

    def _refuse(self, file: FoundFile, reason: str) -> None:
        self._journal.summary.images.add("refused")
        self._journal.summary.assets.add("refused")
        self._journal.problem(file.name, 0, reason)


def _sha256(asset: Known) -> str:
    return asset.sha256 if isinstance(asset, Asset) else asset.image.sha256


def _name(file: FoundFile) -> str:
    return PurePosixPath(file.name).name
