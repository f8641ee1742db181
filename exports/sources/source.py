"""A dataset at one moment: whatever is edited meanwhile, all that an export reads is of one transaction."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from django.db import transaction
from django.db.models.functions import Now

from datasets.models import Dataset
from exports.sources import vocabulary
from exports.sources.record_reader import RecordReader
from exports.sources.selection import Selection
from exports.sources.snapshots import Snapshot, SnapshotGone
from exports.spec import ExportSpec


@dataclass(frozen=True)
class Source:
    """What one dataset holds at one moment, as far as `spec` asks for it."""

    dataset: Dataset
    spec: ExportSpec
    moment: datetime
    revision: int

    @classmethod
    @contextmanager
    def open(cls, dataset: Dataset, spec: ExportSpec, *, snapshot: Snapshot | None = None) -> Iterator[Source]:
        """A source that sees the dataset as it is now, until the block ends; or as whoever shared `snapshot` sees it.

        Raises `SnapshotGone` where that is not to be had any more.
        """
        with transaction.atomic(using="snapshot"):
            if snapshot is not None:
                snapshot.adopt()
            rows = Dataset.objects.using("snapshot").filter(pk=dataset.pk)
            moment, revision = rows.values_list(Now(), "revision").get()
            if snapshot is not None and snapshot.revision != revision:
                raise SnapshotGone("The dataset was changed since the export began.")
            yield cls(dataset, spec, moment, revision)

    def share_snapshot(self) -> Snapshot:
        """What lets another worker see the dataset as it is here, while this source is open."""
        return Snapshot(self.revision, Snapshot.exported())

    @property
    def selection(self) -> Selection:
        """Which assets the export is of."""
        return Selection(self.dataset, self.spec)

    @cached_property
    def reader(self) -> RecordReader:
        """What makes records of assets, and reads their images."""
        return RecordReader(self.dataset, self.spec)

    def labels(self, *, keep: bool = False) -> tuple[str, ...]:
        """Every label of the dataset, sorted, filter or not: a label keeps its number in every export. None where the
        format gives them no numbers.

        Where they had to be found, they may be kept for who asks next.
        """
        return vocabulary.labels_of(self.dataset, self.revision, keep=keep) if self.spec.encoding.numbers else ()
