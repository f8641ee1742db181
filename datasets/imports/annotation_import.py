"""Annotation lines become rows: read, placed on their assets, and written, one batch in one transaction."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from django.db import transaction
from django.utils import timezone

from datasets import contents as contents_module
from datasets.contents import Contents, ContentsError, PhraseGrounding
from datasets.imports.account import Journal, Outcome, Summary, quoted
from datasets.imports.arrivals import Arrivals
from datasets.imports.batches import distinct_runs
from datasets.imports.fields import Unreadable
from datasets.imports.files import LEADS_OUT, FoundFile
from datasets.imports.lines import Line, read_lines
from datasets.imports.placement import Place, Placed, Placement
from datasets.imports.readers import read_record
from datasets.imports.records import Record, RecordAnnotation
from datasets.models import RENDERED_COLUMNS, Annotation, Asset, Dataset, DatasetType, NewAnnotation
from vi_portal.giving_way import GivingWay
from vi_portal.jobs.progress import Progress

#: An annotation is known again by its asset and its id.
Key: TypeAlias = tuple[int, str]

_BATCH_ANNOTATIONS = 500
_BATCH_BYTES = 8 * 1024 * 1024
_WRITTEN_COLUMNS = ("category", *RENDERED_COLUMNS, "updated_at")
#: The ids of annotations that come without one are made in this namespace, from their asset and contents.
_NAMESPACE = uuid.UUID("8c0ff3a6-9d0e-4f7e-8a57-0d8d9c2f4a11")


@dataclass(frozen=True, slots=True)
class _Ready:
    """An annotation as it will be stored: boxes in pixels, `text` its canonical JSON."""

    place: Place
    asset: Asset
    uid: str
    category: str | None
    contents: Contents
    text: str

    @property
    def key(self) -> Key:
        return self.asset.pk, self.uid


class AnnotationImport:
    """Writes annotations into `dataset`; an annotation is known again by its asset and its id.

    `committing` hears of every batch within its transaction; what it raises undoes the batch. With `rehearsing`, all
    is done the same and every batch taken back, so that `journal` tells what would be.
    """

    def __init__(
        self,
        dataset: Dataset,
        journal: Journal,
        arrivals: Arrivals,
        progress: Progress,
        *,
        committing: Callable[[Summary], None] = lambda summary: None,
        rehearsing: bool = False,
    ) -> None:
        self._dataset = dataset
        self._committing = committing
        self._rehearsing = rehearsing
        self._journal = journal
        self._progress = progress
        self._placement = Placement(dataset, journal, arrivals)
        self._expected = DatasetType(dataset.type).contents_type
        self._started_at = timezone.now()

    def take(self, files: Sequence[FoundFile]) -> None:
        """Import the lines of `files`, in order."""
        batch: list[tuple[Place, Record]] = []
        weight = size = 0
        giving_way = GivingWay()
        for place, line in self._lines(files):
            size += line.size
            if record := self._read(place, line):
                batch.append((place, record))
                weight += max(len(record.annotations), 1)
            if weight >= _BATCH_ANNOTATIONS or size >= _BATCH_BYTES:
                self._store(batch)
                self._progress.advance(size)
                giving_way.between()
                batch, weight, size = [], 0, 0
        self._store(batch)
        self._progress.advance(size)

    def _lines(self, files: Sequence[FoundFile]) -> Iterator[tuple[Place, Line]]:
        for file in files:
            if file.leads_out:
                self._tell(Place(file.name, 0), LEADS_OUT)
                continue
            try:
                for line in read_lines(file.path):
                    yield Place(file.name, line.number), line
            except OSError as error:
                self._tell(Place(file.name, 0), f"The file cannot be read: {error.strerror}.")

    def _read(self, place: Place, line: Line) -> Record | None:
        """What the line says; None, and a problem told, where it is refused."""
        self._journal.summary.lines_read += 1
        try:
            if isinstance(line.value, Unreadable):
                raise line.value
            return read_record(line.value, self._expected)
        except Unreadable as error:
            self._journal.summary.lines_refused += 1
            self._tell(place, str(error))
            return None

    def _store(self, batch: Sequence[tuple[Place, Record]]) -> None:
        if not batch:
            return
        with self._dataset.in_turn():  # so that no two imports make the same
            placed = self._placement.place(batch)
            ready = (annotation for each in placed for annotation in self._readied(each))
            for run in distinct_runs(ready, _BATCH_ANNOTATIONS, key=lambda annotation: annotation.key):
                self._write(run)
            if self._rehearsing:
                transaction.set_rollback(True)
            else:
                self._committing(self._journal.summary)

    def _readied(self, placed: Placed) -> Iterator[_Ready]:
        """The annotations of a record in the frame of its asset; those that cannot be stored are refused."""
        in_fractions = placed.record.in_fractions
        for annotation in placed.record.annotations:
            try:
                if isinstance(annotation, Unreadable):
                    raise annotation
                yield _ready(annotation, placed, in_fractions=in_fractions)
            except (Unreadable, ContentsError) as error:
                self._journal.summary.annotations.add("refused")
                self._tell(placed.place, str(error))
                continue
            for doubt in annotation.doubts:
                self._tell(placed.place, doubt)

    def _write(self, run: Sequence[_Ready]) -> None:
        """Create, update or leave alone the rows of `run`, no two of which are the same annotation."""
        known = {(row.asset_id, row.uid): row for row in _rows_of(run)}
        outcomes = {each.key: _outcome(each, known.get(each.key)) for each in run}
        new = [each for each in run if outcomes[each.key] == "created"]
        if new:
            rows = self._dataset.add_annotations(
                NewAnnotation(each.asset, each.contents, each.uid, each.category) for each in new
            )
            known |= {each.key: row for each, row in zip(new, rows, strict=True)}
        changed = [each for each in run if outcomes[each.key] == "updated"]
        if changed:
            self._tell_of_replaced(changed, known)
            rewritten = [_rewritten(known[each.key], each) for each in changed]
            Annotation.objects.bulk_update(rewritten, _WRITTEN_COLUMNS)
            self._dataset.touch()
        for each in run:
            self._journal.summary.annotations.add(outcomes[each.key])
            self._account_for_boxes(each, flawed=known[each.key].flawed)

    def _tell_of_replaced(self, changed: Sequence[_Ready], known: Mapping[Key, Annotation]) -> None:
        """Name the lines whose annotation takes the place of one from an earlier line."""
        for each in changed:
            if known[each.key].updated_at >= self._started_at:
                self._tell(
                    each.place,
                    f"The id {quoted(each.uid)} was given to another annotation of the asset by an earlier line; "
                    "this one replaces it.",
                )

    def _account_for_boxes(self, ready: _Ready, *, flawed: bool) -> None:
        """Count the boxes, and name those that an export will have to repair."""
        if not isinstance(ready.contents, PhraseGrounding):
            return
        summary = self._journal.summary
        summary.boxes += sum(len(phrase.bounds) for phrase in ready.contents.grounded_phrases)
        if not flawed:
            return
        _, flaws = contents_module.repair(ready.contents, width=ready.asset.width, height=ready.asset.height)
        for flaw in flaws:
            box = ", ".join(f"{number:g}" for number in flaw.bounds)
            if flaw.kind == "degenerate":
                summary.degenerate_boxes += 1
                reason = "is degenerate; it is stored as it came, and exports leave it out"
            else:
                summary.outside_boxes += 1
                reason = "reaches outside the image; it is stored as it came, and exports clamp it"
            self._tell(ready.place, f"The box [{box}] of {quoted(flaw.phrase)} {reason}.")

    def _tell(self, place: Place, reason: str) -> None:
        self._journal.problem(place.file, place.line, reason)


def _ready(annotation: RecordAnnotation, placed: Placed, *, in_fractions: bool) -> _Ready:
    """Raises `ContentsError`."""
    asset = placed.asset
    if in_fractions:
        contents = contents_module.denormalize(annotation.contents, width=asset.width, height=asset.height)
    else:
        contents = contents_module.tidy(annotation.contents)
    contents_module.check(contents)
    text = contents_module.dump(contents)
    uid = annotation.uid or str(uuid.uuid5(_NAMESPACE, f"{asset.uid}\n{text}"))
    return _Ready(placed.place, asset, uid, annotation.category, contents, text)


def _rows_of(run: Sequence[_Ready]) -> Sequence[Annotation]:
    return list(
        Annotation.objects.filter(asset__in={each.asset.pk for each in run}, uid__in={each.uid for each in run})
    )


def _outcome(ready: _Ready, row: Annotation | None) -> Outcome:
    if row is None:
        return "created"
    return "already_there" if (row.contents, row.category) == (ready.text, ready.category) else "updated"


def _rewritten(row: Annotation, ready: _Ready) -> Annotation:
    row.category = ready.category
    row.render(ready.contents, width=ready.asset.width, height=ready.asset.height)
    row.updated_at = timezone.now()
    return row
