"""Which asset a line is about: the assets that a batch of lines may mean, in memory, found by rules."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from django.db.models import Q

from datasets import names
from datasets.imports.account import quoted
from datasets.imports.arrivals import Arrivals, path_parts
from datasets.imports.records import UID, AssetReference
from datasets.models import Asset, Dataset, NewAsset

Known: TypeAlias = Asset | NewAsset


class Ambiguous(ValueError):
    """Several assets may be meant; the message is a sentence that says so."""


class AssetIndex:
    """The assets of `dataset` that `references` may mean, read in three queries, and those about to be made."""

    def __init__(
        self,
        dataset: Dataset,
        references: Sequence[AssetReference],
        arrivals: Arrivals,
        claims: dict[str, str],
    ) -> None:
        self._arrivals = arrivals
        self._claims = claims
        self._by_pk: dict[int, Asset] = {}
        self._by_uid: dict[str, Known] = {}
        self._by_filename: defaultdict[str, dict[str, Known]] = defaultdict(dict)
        self._by_normal_filename: defaultdict[str, dict[str, Known]] = defaultdict(dict)
        self._by_member: dict[str, Asset] = {}
        for condition in _conditions(references, arrivals):
            for asset in dataset.assets.filter(condition):
                self.add(asset)

    def add(self, asset: Known) -> None:
        self._by_uid[asset.uid] = asset
        self._by_filename[asset.filename][asset.uid] = asset
        self._by_normal_filename[names.normal(asset.filename)][asset.uid] = asset
        if isinstance(asset, Asset):
            self._by_pk[asset.pk] = asset
            self._by_member[asset.member_name] = asset

    def is_free(self, uid: str) -> bool:
        """Whether an asset may get `uid`."""
        return uid not in self._by_uid and UID.fullmatch(uid) is not None

    def find(self, reference: AssetReference) -> Known | None:
        """The asset meant: by its uid, as a file of this import, by its file name. Raises `Ambiguous`.

        An asset of an export is meant by the lines of one id only, whatever names it shares with others.
        """
        return self._by_uid.get(reference.asset_id) or self._find_by_name(reference)

    def claim(self, asset: Known, reference: AssetReference) -> None:
        """Note that `asset` is the one that `reference` means."""
        if reference.exported:
            self._claims[asset.uid] = reference.asset_id

    def _find_by_name(self, reference: AssetReference) -> Known | None:
        name = reference.filename
        arrived = self._arrivals.find(name) if name else None
        if arrived is not None and arrived in self._by_pk:
            return self._by_pk[arrived]
        if reference.exported:
            member = self._by_member.get(names.normal(name))
            if member is not None and self._may_be(member, reference):
                return member
        for candidates in (self._by_filename.get(name), self._by_normal_filename.get(names.normal(name))):
            meant = [asset for asset in (candidates or {}).values() if self._may_be(asset, reference)]
            if meant:
                return _only(meant, name)
        return self._below_a_folder(name)

    def _may_be(self, asset: Known, reference: AssetReference) -> bool:
        """Whether no other id of an export has claimed `asset`."""
        return not reference.exported or self._claims.get(asset.uid, reference.asset_id) == reference.asset_id

    def _below_a_folder(self, path: str) -> Known | None:
        """The asset named like the end of `path`, where this import has no file that says more."""
        parts = path_parts(path)
        if len(parts) < 2 or self._arrivals.includes(path):
            return None
        named = self._by_normal_filename.get(parts[-1])
        return _only(list(named.values()), path) if named else None


def _conditions(references: Iterable[AssetReference], arrivals: Arrivals) -> list[Q]:
    uids, filenames, members, arrived = set(), set(), set(), set()
    for reference in references:
        uids.add(reference.asset_id)
        if reference.exported:
            members.add(names.collision_key(reference.filename))
        filenames |= names.spellings([reference.filename, *path_parts(reference.filename)[-1:]])
        if (pk := arrivals.find(reference.filename)) is not None:
            arrived.add(pk)
    wanted = {"uid": uids - {""}, "filename": filenames - {""}, "member_key": members, "pk": arrived}
    return [Q(**{f"{column}__in": values}) for column, values in wanted.items() if values]


def _only(assets: Sequence[Known], name: str) -> Known:
    if len(assets) > 1:
        raise Ambiguous(
            f"{len(assets)} assets are named {quoted(name)}. Give the line an “asset_id”, or the path of its "
            "image below the folder of images."
        )
    return assets[0]
