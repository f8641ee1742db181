"""Images on their way into the archive: a stage of its own, whatever the format.

An image that cannot be had is left out and named; what that means for its record is the format's to say.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from exports.archive import ArchiveWriter, UnexpectedBytes
from exports.receipt import PartReceipt, Receipt
from exports.records import Member, Record, Split
from exports.sources import CHANGED_IMAGE, ImageUnreadable, Source
from exports.splits import Part
from vi_portal.jobs.lease import Watch

#: Progress counts bytes of images in units of this size, beside one unit a record.
IMAGE_UNIT = 64 * 1024


@dataclass(frozen=True, slots=True)
class Media:
    """Writes images of `source` into the archive, and tells the receipt."""

    source: Source
    archive: ArchiveWriter
    receipt: Receipt
    watch: Watch

    def write_beside(self, part: Part, split: Split, told: PartReceipt) -> None:
        """The images of `part`, after its annotations."""
        for image, asset in self.source.images(part.ids, told):
            missing = self._add(image, split, told)
            if missing:
                told.missing_image(asset, missing)

    def pair(self, part: Part, split: Split, told: PartReceipt) -> Iterator[Record]:
        """Each record of `part` once its image is in the archive; so it is to be asked for between two members.

        A record whose image cannot be had is left out, and the asset with it.
        """
        for pair in self.source.pairs(part.ids, told):
            missing = self._add(pair.image, split, told)
            if missing:
                told.skipped_pair(pair.asset, missing, pair.labels)
                continue
            told.wrote_asset(pair.labels)
            if pair.record.filename != pair.asset.filename:
                told.renamed(pair.asset, pair.record.filename)
            yield pair.record

    def _add(self, image: Member, split: Split, told: PartReceipt) -> str:
        """Why the image could not be written; empty when it was."""
        assert image.expected is not None
        self.watch.advance(image.expected.size // IMAGE_UNIT)
        try:
            written = self.archive.add(replace(image, name=split.path(image.name)))
        except ImageUnreadable as error:
            return str(error)
        except UnexpectedBytes:
            return CHANGED_IMAGE
        told.wrote_image()
        self.receipt.wrote_member(written)
        return ""
