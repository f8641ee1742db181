"""Images on their way into the archive: a stage of its own, whatever the format.

An image that cannot be had is left out and named; what that means for its record is the format's to say.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol

from exports.archive import UnexpectedBytes, Written
from exports.fetching import CHANGED_IMAGE, ImageUnreadable
from exports.part_receipt import PartReceipt
from exports.receipt import Receipt
from exports.records import Member, Record, Run
from exports.sources import Source
from vi_portal.jobs.lease import Told

#: Progress counts bytes of images in units of this size, beside one unit a record.
IMAGE_UNIT = 64 * 1024


class Sink(Protocol):
    """What members are added to: an archive, or what will become a piece of one."""

    def add(self, member: Member) -> Written | None: ...


@dataclass(frozen=True, slots=True)
class Media:
    """Writes images of `source` into the archive, and tells the receipt."""

    source: Source
    sink: Sink
    receipt: Receipt
    watch: Told

    def write_beside(self, ids: array[int], run: Run, told: PartReceipt) -> None:
        """The images of the assets `ids`."""
        for image, asset in self.source.reader.images(ids, told):
            missing = self._add(image, run, told)
            if missing:
                told.missing_image(asset, missing)

    def pair(self, ids: array[int], run: Run, told: PartReceipt) -> Iterator[Record]:
        """The record of each of `ids` once its image is in the archive; so it is to be asked for between two members.

        A record whose image cannot be had is left out, and the asset with it.
        """
        for pair in self.source.reader.pairs(ids, told):
            missing = self._add(pair.image, run, told)
            if missing:
                told.skipped_pair(pair.asset, missing, pair.labels)
                continue
            told.wrote_asset(pair.labels)
            if pair.record.filename != pair.asset.filename:
                told.renamed(pair.asset, pair.record.filename)
            yield pair.record

    def _add(self, image: Member, run: Run, told: PartReceipt) -> str:
        """Why the image could not be written; empty when it was."""
        assert image.expected is not None
        self.watch.advance(image.expected.size // IMAGE_UNIT)
        try:
            written = self.sink.add(replace(image, name=run.path(image.name)))
        except ImageUnreadable as error:
            return str(error)
        except UnexpectedBytes:
            return CHANGED_IMAGE
        told.wrote_image()
        self.receipt.wrote_member(written)
        return ""
