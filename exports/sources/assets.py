"""An asset as an export reads it."""

from __future__ import annotations

from typing import NamedTuple

from exports.fetching import Content
from exports.findings import AssetName
from exports.part_receipt import PartReceipt
from exports.records import Expected, Member


class AssetRow(NamedTuple):
    """Its row; in `annotations` the JSON array of them, in `labels` their labels texts, one a line, where these are
    asked for and can stay as they are.
    """

    pk: int
    uid: str
    filename: str
    member_name: str
    width: int
    height: int
    file: str
    size: int
    sha256: str
    crc32: int
    mime_type: str
    exif_orientation: int
    flaw: str
    annotations: bytes | None = None
    labels: str = ""

    @property
    def name(self) -> AssetName:
        return AssetName(self.uid, self.filename)

    def image_member(self, name: str, content: Content) -> Member:
        """The image, of these bytes, as the stored member `images/<name>`."""
        expected = Expected(self.size, self.crc32, self.sha256)
        return Member(f"images/{name}", content(), False, expected)

    def report_oddities(self, receipt: PartReceipt) -> None:
        """Tell what who uses the image should know."""
        if self.flaw:
            receipt.odd_image(self.name, "damaged", f"the image file is damaged: {self.flaw}")
        if self.exif_orientation != 1:
            reason = f"the image has EXIF orientation {self.exif_orientation}, which is not applied to its boxes"
            receipt.odd_image(self.name, "oriented", reason)


#: The row id, and what a record begins with.
RECORD_COLUMNS = ("id", "uid", "member_name", "filename", "width", "height")
#: What an `AssetRow` begins with.
ASSET_COLUMNS = ("id", *AssetRow._fields[1:-2])
