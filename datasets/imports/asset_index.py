"""Which asset a line is about: the assets that a batch of lines may mean, in memory, found by rules."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from django.db.models import Q

from datasets import names
from datasets.imports.account import quoted
from datasets.imports.arrivals import Arrivals, path_parts
from datasets.imports.records import AssetReference
from datasets.models import Asset, Dataset, NewAsset

Known: TypeAlias = Asset | NewAsset

_UID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Ambiguous(ValueError):
    """Several assets may be meant; the message is a sentence that says so."""


class AssetIndex:
    """The assets of `dataset` that `references` may mean, read in three queries, and those about to be made."""

    def __init__(self, dataset: Dataset, references: Sequence[AssetReference], arrivals: Arrivals) -> None:
        self._arrivals = arrivals
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
        self._by_normal_filename[_normal(asset.filename)][asset.uid] = asset
        if isinstance(asset, Asset):
            self._by_pk[asset.pk] = asset
            self._by_member[asset.member_name] = asset

    def is_free(self, uid: str) -> bool:
        """Whether `uid` may become the uid of an asset."""
        return uid not in self._by_uid and _UID.fullmatch(uid) is not None

    def find(self, reference: AssetReference) -> Known | None:
        """The asset meant: by its uid, as a file of this import, by its file name. Raises `Ambiguous`."""
        if reference.asset_id in self._by_uid:
            return self._by_uid[reference.asset_id]
        name = reference.filename
        if not name:
            return None
        arrived = self._arrivals.find(name)
        if arrived is not None and arrived in self._by_pk:
            return self._by_pk[arrived]
        if reference.exported and (member := self._by_member.get(_normal(name))):
            return member
        return self._named(name) or self._named(reference.original_filename) or self._below_a_folder(name)

    def _named(self, name: str) -> Known | None:
        if not name:
            return None
        return _only(self._by_filename.get(name), name) or _only(self._by_normal_filename.get(_normal(name)), name)

    def _below_a_folder(self, path: str) -> Known | None:
        """The asset named like the end of `path`, where this import has no file that says more."""
        parts = path_parts(path)
        if len(parts) < 2 or self._arrivals.includes(path):
            return None
        return _only(self._by_normal_filename.get(parts[-1]), path)


def _conditions(references: Iterable[AssetReference], arrivals: Arrivals) -> list[Q]:
    uids, filenames, members, arrived = set(), set(), set(), set()
    for reference in references:
        uids.add(reference.asset_id)
        if reference.exported:
            members.add(names.collision_key(reference.filename))
        for name in filter(None, (reference.filename, reference.original_filename)):
            forms = {name, *path_parts(name)[-1:]}
            filenames |= {unicodedata.normalize(form, text) for form in ("NFC", "NFD") for text in forms} | forms
        if (pk := arrivals.find(reference.filename)) is not None:
            arrived.add(pk)
    wanted = {"uid": uids - {""}, "filename": filenames, "member_key": members, "pk": arrived}
    return [Q(**{f"{column}__in": values}) for column, values in wanted.items() if values]


def _only(candidates: dict[str, Known] | None, name: str) -> Known | None:
    if not candidates:
        return None
    if len(candidates) > 1:
        raise Ambiguous(
            f"{len(candidates)} assets are named {quoted(name)}. Give the line an “asset_id”, or the path of its "
            "image below the folder of images."
        )
    [asset] = candidates.values()
    return asset


def _normal(name: str) -> str:
    return unicodedata.normalize("NFC", name)
