"""The filter of the Assets page, which an export may carry: parsed from a query, applied, and put in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from django.db.models import Exists, OuterRef, Q, Value
from django.db.models.functions import StrIndex
from django.utils.http import urlencode

from datasets.models import Annotation, AssetQuerySet

MAX_TEXT = 200


@dataclass(frozen=True, slots=True)
class AssetFilter:
    """Which assets to look at.

    `search` is part of a file name, in any case. `annotated` is "yes", "no", or empty for both. `label` is a
    phrase (or an answer) that one of the asset's annotations has, exactly.
    """

    search: str = ""
    annotated: str = ""
    label: str = ""

    @classmethod
    def parse(cls, query: Mapping[str, Any]) -> AssetFilter:
        """The filter in a query string or in a stored spec; what makes no sense there is left out."""
        annotated = str(query.get("annotated") or "")
        return cls(
            search=str(query.get("search") or "").strip().replace("\x00", "")[:MAX_TEXT],
            annotated=annotated if annotated in ("yes", "no") else "",
            label=str(query.get("label") or "").replace("\x00", "")[:MAX_TEXT],
        )

    def __bool__(self) -> bool:
        return bool(self.search or self.annotated or self.label)

    def apply(self, assets: AssetQuerySet) -> AssetQuerySet:
        """The assets of `assets` that pass."""
        if self.search:
            assets = assets.filter(filename__icontains=self.search)
        if self.annotated == "yes":
            assets = assets.annotated()
        if self.annotated == "no":
            assets = assets.unannotated()
        if self.label:
            key = msgspec.json.encode(self.label).decode() + ":"
            # Not `contains`: SQLite would answer it without regard to case.
            labelled = (
                Annotation.objects.filter(asset=OuterRef("pk"))
                .alias(first=StrIndex("labels", Value("{" + key)), later=StrIndex("labels", Value("," + key)))
                .filter(Q(first__gt=0) | Q(later__gt=0))
            )
            assets = assets.filter(Exists(labelled))
        return assets

    def as_dict(self) -> dict[str, str]:
        """Only what is set, as `parse` takes it."""
        fields = {"search": self.search, "annotated": self.annotated, "label": self.label}
        return {name: value for name, value in fields.items() if value}

    def as_query(self) -> str:
        return urlencode(self.as_dict())

    def in_words(self) -> str:
        """The filter as a clause, as it goes after “assets where”; empty where there is none."""
        words = []
        if self.search:
            words.append(f"the file name contains “{self.search}”")
        if self.annotated:
            words.append("there are annotations" if self.annotated == "yes" else "there are no annotations")
        if self.label:
            words.append(f"a label is “{self.label}”")
        return " and ".join(words)
