"""Which assets a bulk deletion means. What is not understood is refused, never taken for “all”."""

from __future__ import annotations

import ast
import json
from typing import Any

from django.db.models import QuerySet

from datasets.filters import AssetFilter
from datasets.models import Asset, Dataset

_COLUMNS = {"assetId": "uid", "asset_id": "uid", "filename": "filename", "metadata.filename": "filename"}
#: What one query can carry.
MAX_VALUES = 10_000
_FILTERS = {"search", "annotated", "label"}


class Misunderstood(ValueError):
    """The filter says something else than can be understood; the message is a sentence."""


def assets_meant(dataset: Dataset, given: str | dict[str, Any] | None) -> QuerySet[Asset]:
    """The assets of `dataset` that `given` selects, every one of its conditions met.

    Understood: `assetId` and `filename`, a value, a list, `{"$eq": …}` or `{"$in": […]}`; and the filter of the Assets
    page, `search`, `annotated` (yes or no) and `label`. `{}` means all of them. Raises `Misunderstood`.
    """
    if given is None:
        raise Misunderstood("Say which assets to delete: give a filter, or {} for all assets of the dataset.")
    conditions = _parsed(given) if isinstance(given, str) else given
    unknown = sorted(set(conditions) - set(_COLUMNS) - _FILTERS)
    if unknown:
        known = ", ".join(sorted(_FILTERS | {"assetId", "filename"}))
        raise Misunderstood(f"The filter's “{unknown[0]}” is not known here, so nothing was deleted. Use {known}.")
    found: QuerySet[Asset] = dataset.assets.all()
    for key, column in _COLUMNS.items():
        if key in conditions:
            found = found.filter(**{f"{column}__in": _values(key, conditions[key])})
    filters = {key: conditions[key] for key in _FILTERS & set(conditions)}
    if filters:
        chosen = AssetFilter.parse({key: str(value) for key, value in filters.items()})
        if set(chosen.as_dict()) != set(filters):
            raise Misunderstood("The filter's “search”, “annotated” (yes or no) or “label” has no meaning as given.")
        found = chosen.apply(dataset.assets.all()).filter(pk__in=found.values("pk"))
    return found


def _parsed(text: str) -> dict[str, Any]:
    """A dictionary as JSON, or as the client writes one."""
    for parse in (json.loads, ast.literal_eval):
        try:
            value = parse(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
        if isinstance(value, dict):
            return value
    raise Misunderstood("The filter must be a JSON object, so nothing was deleted.")


def _values(key: str, given: Any) -> list[str]:
    if isinstance(given, dict) and len(given) == 1:
        [(operator, given)] = given.items()
        if operator not in ("$eq", "$in"):
            raise Misunderstood(f"The filter's “{operator}” is not known here, so nothing was deleted.")
    values = given if isinstance(given, list) else [given]
    if not all(isinstance(value, str) and "\x00" not in value for value in values):
        raise Misunderstood(f"The filter's “{key}” must be a text or a list of texts, so nothing was deleted.")
    if len(values) > MAX_VALUES:
        raise Misunderstood(f"The filter's “{key}” names more than {MAX_VALUES:,} assets. Delete them in parts.")
    return values
