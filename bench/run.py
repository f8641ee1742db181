"""The benchmark's story: make datasets, then for each let its variants take turns."""

from __future__ import annotations

import os
import platform
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from statistics import median
from typing import Any

from django.core.management import call_command
from django.db import connections

from bench import floor, generate, product
from bench.measure import Cost, Host, Work, measure
from datasets.models import Dataset
from exports.formats import vi_tfrecord
from exports.spec import ExportSpec

#: What is added to the name of a row: two workers share one export, or each does one of its own.
TWO_WORKERS, TWO_EXPORTS = ", two workers", ", two exports at once"

_VIJSONL, _VITFRECORD = partial(ExportSpec, format="ViJsonl"), partial(ExportSpec, format="ViTfrecord")


@dataclass
class Variant:
    """One row of the table. `warm` ones run where TensorFlow is loaded already; `once` ones are not repeated."""

    name: str
    work: Callable[[Dataset], Any]
    warm: bool = False
    once: bool = False
    costs: list[Cost] = field(default_factory=list)


@dataclass
class Group:
    """The variants that are measured on one dataset; the first is what the others are compared with."""

    title: str
    kind: str
    assets: int
    images: int
    variants: list[Variant]

    @property
    def name(self) -> str:
        return f"{self.kind} {self.assets} {self.images}"

    def works(self) -> dict[str, Work]:
        dataset = Dataset.objects.get(name=self.name)
        return {f"{self.title}: {variant.name}": partial(variant.work, dataset) for variant in self.variants}


def run(
    *,
    sizes: list[int],
    repeats: int,
    images: int,
    tensorflow: bool,
    deadline: float,
    tell: Callable[[str], None],
) -> dict[str, Any]:
    """Measure everything; the figures as plain values, a group a dataset."""
    started, load = time.time(), os.getloadavg()
    groups = _groups(sizes, images, tensorflow)
    _apart(partial(call_command, "migrate", verbosity=0))
    for group in groups:
        tell(f"making {group.title}")
        _apart(partial(_make, group))
    works = {name: work for group in groups for name, work in group.works().items()}
    connections.close_all()
    host = Host(works, prepare=vi_tfrecord.load_tensorflow) if tensorflow else None
    try:
        for group in groups:
            _take_turns(group, works, host, repeats=repeats, deadline=deadline, tell=tell)
    finally:
        if host:
            host.close()
    tell("")
    return {
        "machine": _machine(),
        "load": [load, os.getloadavg()],
        "seconds": time.time() - started,
        "groups": [_figures(group) for group in groups],
    }


def _groups(sizes: list[int], images: int, tensorflow: bool) -> list[Group]:
    groups = [Group(f"{size:,} assets", "phrase-grounding", size, 0, _rows()) for size in sizes]
    groups.append(Group(f"{sizes[0]:,} assets, questions and answers", "vqa", sizes[0], 0, _question_rows()))
    if images:
        groups.append(Group(f"{images:,} assets with images", "phrase-grounding", images, images, _image_rows()))
    for group in groups:
        group.variants = [one for one in group.variants if tensorflow or "TFRecord" not in one.name]
    return groups


def _rows() -> list[Variant]:
    return [
        Variant("bare fetch + orjson loop, no zip", floor.anchor),
        Variant("rows fetched and thrown away", floor.fetch_only),
        Variant("prefetch_related + json + zipfile", floor.obvious),
        Variant("Vi JSONL, encoded and zipped only", partial(product.encoding_alone, spec=_VIJSONL())),
        Variant("Vi JSONL", partial(product.whole_job, spec=_VIJSONL())),
        Variant(f"Vi JSONL{TWO_WORKERS}", partial(product.shared_job, spec=_VIJSONL(), workers=2)),
        Variant(f"Vi JSONL{TWO_EXPORTS}", partial(product.two_jobs, spec=_VIJSONL())),
        Variant("Vi JSONL, normalized", partial(product.whole_job, spec=_VIJSONL(normalized=True))),
        Variant("Vi JSONL, split", partial(product.whole_job, spec=_VIJSONL(validation_ratio=Decimal("0.2"), seed=7))),
        Variant("TFRecord, encoded and zipped only", partial(product.encoding_alone, spec=_VITFRECORD()), warm=True),
        Variant("TFRecord", partial(product.whole_job, spec=_VITFRECORD()), warm=True),
        Variant(f"TFRecord{TWO_WORKERS}", partial(product.shared_job, spec=_VITFRECORD(), workers=2), warm=True),
        Variant(f"TFRecord{TWO_EXPORTS}", partial(product.two_jobs, spec=_VITFRECORD()), warm=True),
        Variant("TFRecord, labels not yet known", partial(product.first_job, spec=_VITFRECORD()), warm=True),
        Variant("TFRecord, loading TensorFlow first", partial(product.whole_job, spec=_VITFRECORD()), once=True),
        Variant("a fork that does nothing", floor.nothing, once=True),
    ]


def _question_rows() -> list[Variant]:
    return [
        Variant("bare fetch + orjson loop, no zip", floor.anchor),
        Variant("Vi JSONL", partial(product.whole_job, spec=_VIJSONL())),
        Variant("TFRecord", partial(product.whole_job, spec=_VITFRECORD()), warm=True),
    ]


def _image_rows() -> list[Variant]:
    jsonl, tfrecord = _VIJSONL(include_images=True), _VITFRECORD(include_images=True)
    return [
        Variant("cat of the images into one file", floor.cat),
        Variant("zipfile, images stored", floor.zipfile_stored),
        Variant("Vi JSONL, encoded and zipped only", partial(product.encoding_alone, spec=jsonl)),
        Variant("Vi JSONL", partial(product.whole_job, spec=jsonl)),
        Variant("TFRecord", partial(product.whole_job, spec=tfrecord), warm=True),
    ]


def _take_turns(
    group: Group,
    works: dict[str, Work],
    host: Host | None,
    *,
    repeats: int,
    deadline: float,
    tell: Callable[[str], None],
) -> None:
    for repeat in range(repeats):
        if repeat and time.monotonic() > deadline:
            break
        turn = repeat % len(group.variants)
        for variant in group.variants[turn:] + group.variants[:turn]:
            if variant.once and variant.costs:
                continue
            name = f"{group.title}: {variant.name}"
            tell(f"repeat {repeat + 1} of {name}")
            variant.costs.append(host.measure(name) if host and variant.warm else measure(works[name]))
            _apart(_tidy_up)


def _figures(group: Group) -> dict[str, Any]:
    rows = [_row(variant, group.variants[0]) for variant in group.variants]
    return {"title": group.title, "assets": group.assets, "rows": rows}


def _row(variant: Variant, base: Variant) -> dict[str, Any]:
    row: dict[str, Any] = {"name": variant.name, **variant.costs[0].outcome}
    row["seconds_measured"] = [cost.outcome.get("seconds") for cost in variant.costs]
    row["peak"] = max(cost.peak for cost in variant.costs)
    for what in ("cpu", "wall"):
        ours, theirs = ([getattr(cost, what) for cost in one.costs] for one in (variant, base))
        row[what] = median(ours)
        row[f"{what}_ratio"] = median(mine / yours for mine, yours in zip(ours, theirs, strict=False))
        row[f"{what}_measured"] = ours
    return row


def _apart(work: Callable[[], Any]) -> None:
    """Do `work` in another process, so that this one, which all others are forks of, stays small."""
    connections.close_all()

    def do() -> dict[str, Any]:
        work()
        connections.close_all()
        return {}

    measure(do)


def _make(group: Group) -> None:
    images = generate.make_images(group.images) if group.images else None
    product.find_labels(generate.make_dataset(group.name, kind=group.kind, assets=group.assets, images=images))


def _tidy_up() -> None:
    product.discard_archives()
    floor.discard_scratch()


def _machine() -> str:
    versions = f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    return f"{os.cpu_count()} CPUs, {platform.machine()}, {versions}"
