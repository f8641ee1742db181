"""What a dataset amounts to: counts, the distribution of its labels, and the state of its images.

Everything is summed up by the database and kept in the cache until the dataset's revision moves on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar, cast
from uuid import UUID

from django.core.cache import cache
from django.db.models import Avg, Count, Max, Min, Q, Sum

from datasets.contents import parse_labels
from datasets.drawing import TONES
from datasets.filters import AssetFilter
from datasets.models import Annotation, Asset, Dataset

Found = TypeVar("Found")

TOP_LABELS = 20
#: The shortest bar there is, in percent: what is counted is seen.
_SHORTEST = 0.75
_A_DAY = 24 * 60 * 60


@dataclass(frozen=True, slots=True)
class Counts:
    """How much there is, and how much of it is annotated."""

    assets: int = 0
    annotated: int = 0
    annotations: int = 0

    @property
    def unannotated(self) -> int:
        return self.assets - self.annotated

    @property
    def percent(self) -> int:
        """The annotated share; 0 and 100 only when it is none and all."""
        if not self.assets or not self.annotated:
            return 0
        return 100 if self.annotated == self.assets else min(max(round(100 * self.annotated / self.assets), 1), 99)


@dataclass(frozen=True, slots=True)
class Label:
    """A phrase with its boxes, an answer with its interactions, or a category with its annotations, counted.

    `share` is of the largest, 0 to 1; `tone` is the color of its boxes all over the dataset's pages.
    """

    text: str
    count: int
    share: float
    tone: int

    @property
    def width(self) -> str:
        """The length of its bar."""
        return f"{max(100 * self.share, _SHORTEST if self.count else 0):.2f}%"

    @property
    def can_filter(self) -> bool:
        """Whether the filter of the Assets page can look for it."""
        return AssetFilter.parse({"label": self.text}).label == self.text != ""


@dataclass(frozen=True, slots=True)
class Labels:
    """The most frequent labels, how many there are in all, and the sum of all their counts."""

    top: tuple[Label, ...] = ()
    distinct: int = 0
    total: int = 0

    @property
    def more(self) -> int:
        return self.distinct - len(self.top)


@dataclass(frozen=True, slots=True)
class Categories:
    """The most frequent categories of annotations, how many there are, and how many annotations have none."""

    top: tuple[Label, ...] = ()
    distinct: int = 0
    without: int = 0

    @property
    def more(self) -> int:
        return self.distinct - len(self.top)


@dataclass(frozen=True, slots=True)
class Images:
    """The state of the images: sizes in px, bytes in all, and how many need a look."""

    min_width: int
    max_width: int
    min_height: int
    max_height: int
    mean_width: int
    mean_height: int
    bytes: int
    missing: int
    unreadable: int
    turned: int
    to_repair: int

    @property
    def one_size(self) -> bool:
        return self.min_width == self.max_width and self.min_height == self.max_height


def counts_of(datasets: Sequence[Dataset]) -> dict[UUID, Counts]:
    """The counts of each of `datasets`, by its key; two queries at most."""
    keys = {_key("counts", dataset): dataset.pk for dataset in datasets}
    found = {keys[key]: counts for key, counts in cache.get_many(keys).items()}
    missing = [dataset for dataset in datasets if dataset.pk not in found]
    if missing:
        counted = _count([dataset.pk for dataset in missing])
        cache.set_many({_key("counts", each): counted[each.pk] for each in missing}, _A_DAY)
        found |= counted
    return found


def labels_of(dataset: Dataset) -> Labels:
    """The distribution of the dataset's labels."""
    return _kept("labels", dataset, _distribution)


def categories_of(dataset: Dataset) -> Categories:
    """The distribution of the dataset's annotations over their categories."""
    return _kept("categories", dataset, _categorized)


def images_of(dataset: Dataset) -> Images | None:
    """The state of the dataset's images; None where it has no assets."""
    return _kept("images", dataset, _survey)


def _kept(name: str, dataset: Dataset, find: Callable[[Dataset], Found]) -> Found:
    """What `find` finds in `dataset`, looked for once in each of its revisions."""
    return cast(Found, cache.get_or_set(_key(name, dataset), partial(find, dataset), _A_DAY))


def _key(name: str, dataset: Dataset) -> str:
    return f"statistics:{name}:{dataset.pk}:{dataset.revision}"


def _count(keys: Sequence[UUID]) -> dict[UUID, Counts]:
    assets = Asset.objects.filter(dataset__in=keys).order_by().values("dataset").annotate(assets=Count("pk"))
    annotations = (
        Annotation.objects.filter(asset__dataset__in=keys)
        .order_by()
        .values("asset__dataset")
        .annotate(annotations=Count("pk"), annotated=Count("asset", distinct=True))
    )
    of_assets = {row["dataset"]: row["assets"] for row in assets}
    of_annotations = {row["asset__dataset"]: row for row in annotations}
    none = {"annotations": 0, "annotated": 0}
    return {
        key: Counts(
            assets=of_assets.get(key, 0),
            annotated=of_annotations.get(key, none)["annotated"],
            annotations=of_annotations.get(key, none)["annotations"],
        )
        for key in keys
    }


def _distribution(dataset: Dataset) -> Labels:
    """Equal `labels` texts are summed by the database, so that only the different ones are parsed."""
    rows = (
        Annotation.objects.filter(asset__dataset=dataset)
        .order_by()
        .values_list("labels")
        .annotate(times=Count("pk"))
        .iterator(chunk_size=2000)
    )
    counter: Counter[str] = Counter()
    for text, times in rows:
        for label, count in parse_labels(text).items():
            counter[label] += count * times
    return Labels(top=_ranked(counter), distinct=len(counter), total=sum(counter.values()))


def _categorized(dataset: Dataset) -> Categories:
    rows = Annotation.objects.filter(asset__dataset=dataset).order_by().values_list("category").annotate(Count("pk"))
    counter: Counter[str] = Counter()
    for category, times in rows.iterator(chunk_size=2000):
        counter[category or ""] += times
    without = counter.pop("", 0)
    return Categories(top=_ranked(counter), distinct=len(counter), without=without)


def _ranked(counter: Counter[str]) -> tuple[Label, ...]:
    """The most frequent of what was counted."""
    ranked = sorted(counter.items(), key=lambda item: (-item[1], item[0]))[:TOP_LABELS]
    largest = max(ranked[0][1], 1) if ranked else 1
    return tuple(Label(text, count, count / largest, rank % TONES) for rank, (text, count) in enumerate(ranked))


def _survey(dataset: Dataset) -> Images | None:
    row: dict[str, Any] = dataset.assets.aggregate(
        min_width=Min("width"),
        max_width=Max("width"),
        min_height=Min("height"),
        max_height=Max("height"),
        mean_width=Avg("width"),
        mean_height=Avg("height"),
        bytes=Sum("size"),
        missing=Count("pk", filter=Q(file="")),
        unreadable=Count("pk", filter=~Q(flaw="")),
        turned=Count("pk", filter=Q(exif_orientation__gt=1)),
    )
    if row["min_width"] is None:
        return None
    row |= {"mean_width": round(row["mean_width"]), "mean_height": round(row["mean_height"])}
    to_repair = Annotation.objects.filter(asset__dataset=dataset, flawed=True).count()
    return Images(**row, to_repair=to_repair)
