"""Each record of a batch gets its asset: one that is there, or one made from what its line says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from django.utils import timezone

from datasets.imports.account import Journal, quoted
from datasets.imports.arrivals import Arrivals
from datasets.imports.asset_index import Ambiguous, AssetIndex, Known
from datasets.imports.fields import Unreadable
from datasets.imports.records import AssetReference, Record
from datasets.models import Asset, Dataset, ImageFacts, NewAsset, new_uid


class Place(NamedTuple):
    """Where a record was read."""

    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Placed:
    """A record and the asset it is about."""

    place: Place
    record: Record
    asset: Asset


class Placement:
    """Finds or makes the assets of `dataset` that records are about."""

    def __init__(self, dataset: Dataset, journal: Journal, arrivals: Arrivals) -> None:
        self._dataset = dataset
        self._journal = journal
        self._arrivals = arrivals
        #: The ids that lines of an export gave, by the uids of the assets they turned out to mean.
        self._claims: dict[str, str] = {}

    def place(self, batch: Sequence[tuple[Place, Record]]) -> list[Placed]:
        """The records of `batch` that have an asset, in order. The others are refused, and told as problems."""
        index = AssetIndex(self._dataset, [record.asset for _, record in batch], self._arrivals, self._claims)
        found: list[tuple[Place, Record, Known]] = []
        new: list[NewAsset] = []
        for place, record in batch:
            try:
                known = index.find(record.asset)
                if known is None:
                    known = _planned(record.asset, index)
                    new.append(known)
                index.claim(known, record.asset)
                found.append((place, record, known))
            except (Ambiguous, Unreadable) as error:
                self._refuse(place, record, str(error))
        made = {asset.uid: asset for asset in (self._dataset.add_assets(new) if new else [])}
        placed = [
            Placed(place, record, known if isinstance(known, Asset) else made[known.uid])
            for place, record, known in found
        ]
        self._adopt_names(placed, index)
        for each in placed:
            self._account_for(each, created=each.asset.uid in made)
        return placed

    def _adopt_names(self, placed: Sequence[Placed], index: AssetIndex) -> None:
        """Give images that came out of an export the ids and the names they had before."""
        renamed: dict[int, Asset] = {}
        for each in placed:
            asset, reference = each.asset, each.record.asset
            if asset.pk in self._arrivals.created and index.is_free(reference.asset_id):
                self._arrivals.created.discard(asset.pk)
                asset.uid = reference.asset_id
                index.add(asset)
                index.claim(asset, reference)
                renamed[asset.pk] = asset
            original = reference.original_filename if reference.exported else ""
            if original and asset.filename == reference.filename != original:
                asset.filename = original
                renamed[asset.pk] = asset
        for asset in renamed.values():
            asset.updated_at = timezone.now()
            self._journal.asset(asset.pk, "updated")
        if renamed:
            Asset.objects.bulk_update(renamed.values(), ["uid", "filename", "updated_at"])
            self._dataset.touch()

    def _account_for(self, placed: Placed, *, created: bool) -> None:
        asset, reference = placed.asset, placed.record.asset
        is_new = self._journal.asset(asset.pk, "created" if created else "already_there")
        if is_new and not asset.file:
            self._journal.summary.missing_images += 1
            self._tell(
                placed.place,
                f"There is no image file {quoted(asset.filename)}; the annotation is kept without it.",
            )
        size = (asset.width, asset.height)
        if reference.size not in (None, size) and not placed.record.in_fractions:
            self._tell(
                placed.place,
                f"The line says {reference.width} x {reference.height} px, but {quoted(asset.filename)} is "
                f"{asset.width} x {asset.height} px; the boxes are taken as pixels of the latter.",
            )

    def _refuse(self, place: Place, record: Record, reason: str) -> None:
        self._journal.summary.assets.add("refused")
        self._journal.summary.annotations.add("refused", len(record.annotations))
        self._tell(place, reason)

    def _tell(self, place: Place, reason: str) -> None:
        self._journal.problem(place.file, place.line, reason)


def _planned(reference: AssetReference, index: AssetIndex) -> NewAsset:
    """The asset without an image that `reference` describes, known to `index` from now on."""
    if not reference.filename:
        raise Unreadable(f"No asset of the dataset has the id {reference}, and the line names no file.")
    if reference.width is None or reference.height is None:
        raise Unreadable(
            f"There is no image {reference} in the dataset, and the line gives no width and height to do without."
        )
    planned = NewAsset(
        filename=(reference.original_filename if reference.exported else "") or reference.filename,
        image=ImageFacts(width=reference.width, height=reference.height),
        uid=reference.asset_id if index.is_free(reference.asset_id) else new_uid(),
    )
    index.add(planned)
    return planned
