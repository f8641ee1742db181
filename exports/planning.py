"""What an export will write: which assets go where, in which order, and in which runs."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain

from exports import runs, splits
from exports.media import IMAGE_UNIT
from exports.receipt import NO_ANNOTATIONS, Receipt
from exports.records import Options
from exports.runs import RunPlan
from exports.sources import Source
from exports.sources.selection import Selection
from exports.splits import Part


class ExportFailed(Exception):
    """The export cannot be had; the message is the sentence for the job's row."""


@dataclass(frozen=True, slots=True)
class Plan:
    """`selected` assets were asked for; those of `parts` make records. `runs` are in the order of the archive."""

    selected: int
    parts: list[Part]
    runs: list[RunPlan]
    image_bytes: int
    options: Options

    @property
    def records(self) -> int:
        return sum(len(part.ids) for part in self.parts)

    @property
    def steps(self) -> int:
        """How many steps of progress the writing takes."""
        return self.records + self.image_bytes // IMAGE_UNIT


def plan(source: Source, receipt: Receipt) -> Plan:
    """The plan for `source`; `receipt` hears of the assets that make no record. Raises `ExportFailed`."""
    spec, selection = source.spec, source.selection
    selected = selection.count()
    bare = array("q")
    annotated = chain.from_iterable(_annotated(selection, bare))
    if spec.validation_ratio is None:
        parts = splits.whole(annotated)
    else:
        assert spec.seed is not None
        parts = splits.partition(annotated, ratio=spec.validation_ratio, seed=spec.seed)
    for asset in selection.names(bare):
        receipt.findings.skipped_asset(asset, NO_ANNOTATIONS, expected=True)
    for asset, texts in selection.imageless():
        receipt.findings.skipped_pair(asset, "no image was uploaded", texts)
    if not any(part.ids for part in parts):
        wanted = "annotations and an image" if spec.encoding.paired else "annotations"
        raise ExportFailed(
            f"None of the {selected} selected assets has {wanted}, so nothing was written. "
            "Annotate some, or drop the filter."
        )
    options = options_of(source)
    cut = [run for number, part in enumerate(parts) for run in _runs(source, number, part)]
    return Plan(selected, parts, cut, sum(run.image_bytes for run in cut), options)


def options_of(source: Source) -> Options:
    """What the encoder of any run of `source` needs to know of the export."""
    return Options(source.spec.normalized, source.spec.include_images, source.labels(keep=True))


def _annotated(selection: Selection, bare: array[int]) -> Iterator[list[tuple[int, str]]]:
    """(row id, public id) of every asset that will make a record, some at a time; the row ids of those without
    annotations go to `bare`."""
    for assets in selection.asked_for():
        yield [(pk, uid) for pk, uid, is_annotated in assets if is_annotated]
        bare.extend([pk for pk, _, is_annotated in assets if not is_annotated])


def _runs(source: Source, number: int, part: Part) -> list[RunPlan]:
    spec, encoding = source.spec, source.spec.encoding
    limit = encoding.records_a_run
    if not spec.include_images:
        return runs.even(number, len(part.ids), records_a_run=limit)
    sizes = source.selection.image_sizes(part.ids)
    with_images = runs.weighed(number, sizes, records_a_run=limit, bytes_a_run=encoding.image_bytes_a_run)
    if encoding.images != "beside":
        return with_images
    records = runs.even(number, len(part.ids), records_a_run=limit)
    return records + [replace(run, images=True) for run in with_images]
