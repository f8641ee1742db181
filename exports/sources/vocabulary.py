"""The label vocabulary of a dataset: looked up where it is known, or else found in what the annotations say, some
assets at a time, for the texts of all would not fit in memory.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from django.db import Error
from django.db.models import Aggregate, TextField

from datasets import contents
from datasets.models import Annotation, Asset, Dataset, LabelVocabulary
from exports.models import ExportShard

log = logging.getLogger(__name__)

_ASSETS_A_TALLY = 1000


def labels_of(dataset: Dataset, revision: int, *, keep: bool) -> tuple[str, ...]:
    """Every label of `dataset`, sorted. `revision` is that of the moment that is seen; where they are to be kept, who
    asks next for the same finds them known.
    """
    labels = LabelVocabulary.known(dataset, revision)
    if labels is None:
        labels = _found(dataset)
        if keep:
            _keep(dataset, revision, labels)
    return labels


def _keep(dataset: Dataset, revision: int, labels: tuple[str, ...]) -> None:
    shards = ExportShard.objects.filter(dataset=dataset).order_by()
    try:
        LabelVocabulary.keep(dataset, revision, labels, besides=shards.values_list("revision", flat=True).distinct())
    except Error:
        log.warning("The labels of dataset %s are not kept; others find them again.", dataset.pk, exc_info=True)


def _found(dataset: Dataset) -> tuple[str, ...]:
    found: set[str] = set()
    for texts in _labels_texts(dataset):
        found.update(*contents.parse_many_labels(texts.split("\n")))
    return tuple(sorted(found))


def _labels_texts(dataset: Dataset) -> Iterator[str]:
    """The labels texts of the whole dataset, one a line, those of some assets at a time."""
    assets = Asset.objects.using("snapshot").filter(dataset=dataset).order_by("pk")
    rows = Annotation.objects.using("snapshot").filter(asset__dataset=dataset)
    last: int | None = 0
    while last is not None:
        first, ids = last, assets.filter(pk__gt=last).values_list("pk", flat=True)
        last = next(iter(ids[_ASSETS_A_TALLY - 1 : _ASSETS_A_TALLY]), None)
        some = rows.filter(asset__gt=first) if last is None else rows.filter(asset__gt=first, asset__lte=last)
        if texts := some.aggregate(texts=_Lines("labels"))["texts"]:
            yield texts


class _Lines(Aggregate):
    """Texts put together by the database, one a line, in any order."""

    output_field = TextField()

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return super().as_sql(compiler, connection, template="group_concat(%(expressions)s, char(10))", **context)

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return super().as_sql(compiler, connection, template="string_agg(%(expressions)s, chr(10))", **context)
