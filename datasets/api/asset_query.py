"""Which assets a program means, to list, count or delete. What is not understood is refused, never taken for “all”."""

from __future__ import annotations

import ast
import json
from typing import Any

from django.db.models import QuerySet

from datasets.api.metadata_query import Misunderstood, with_metadata
from datasets.filters import MAX_TEXT, AssetFilter
from datasets.models import Asset, Dataset
from vi_portal.api.texts import can_be_kept

_COLUMNS = {
    "assetId": "uid",
    "asset_id": "uid",
    "filename": "filename",
    "metadata.filename": "filename",
    "mimeType": "mime_type",
    "metadata.mimeType": "mime_type",
    "file_type": "mime_type",
}
#: What one query can carry.
MAX_VALUES = 10_000
_LONGEST = 1_000_000
_FILTERS = {"search", "annotated", "label"}
_KNOWN = "annotated, assetId, filename, label, mimeType, search"


def assets_asked_for(
    dataset: Dataset, *, given: str | dict[str, Any], metadata_query: str = "", rule_query: str = "", strict: bool
) -> QuerySet[Asset]:
    """The assets of `dataset` that pass the filter `given` and have the metadata asked for.

    Filters by `assetId`, `filename` and `mimeType` are a value, a list, `{"$eq": …}` or `{"$in": […]}`; those of the
    Assets page are `search`, `annotated` (yes or no) and `label`. `{}` means all of them; so does an empty text.
    `strict` is for the metadata alone. Raises `Misunderstood`, for every query by rules too.
    """
    if rule_query:
        raise Misunderstood("Queries by rules (ruleQuery) are not known here. Use a filter.")
    found = _filtered(dataset, _parsed(given) if isinstance(given, str) else given)
    return with_metadata(found, metadata_query, strict=strict) if metadata_query else found


def _filtered(dataset: Dataset, conditions: dict[str, Any]) -> QuerySet[Asset]:
    unknown = sorted(set(conditions) - set(_COLUMNS) - _FILTERS)
    if unknown:
        raise Misunderstood(f"The filter's “{unknown[0][:100]}” is not known here. Use {_KNOWN}.")
    found: QuerySet[Asset] = dataset.assets.all()
    for key, column in _COLUMNS.items():
        if key in conditions:
            found = found.filter(**{f"{column}__in": _values(key, conditions[key])})
    filters = {key: conditions[key] for key in _FILTERS & set(conditions)}
    if filters:
        texts = all(isinstance(value, str) and can_be_kept(value) for value in filters.values())
        chosen = AssetFilter.parse(filters) if texts else AssetFilter()
        if set(chosen.as_dict()) != set(filters) or any(len(value) > MAX_TEXT for value in filters.values()):
            raise Misunderstood("The filter's “search”, “annotated” (yes or no) or “label” has no meaning as given.")
        found = chosen.apply(dataset.assets.all()).filter(pk__in=found.values("pk"))
    return found


def _parsed(text: str) -> dict[str, Any]:
    """A dictionary as JSON, or as the client writes one."""
    if not text:
        return {}
    if len(text) > _LONGEST:
        raise Misunderstood(f"The filter has {len(text)} characters; at most {_LONGEST} are read.")
    for parse in (json.loads, ast.literal_eval):
        try:
            value = parse(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
        if isinstance(value, dict) and all(isinstance(key, str) for key in value):
            return value
    raise Misunderstood('The filter must be a JSON object, such as {"filename": "a.jpg"}.')


def _values(key: str, given: Any) -> list[str]:
    if isinstance(given, dict) and len(given) == 1:
        [(operator, given)] = given.items()
        if operator not in ("$eq", "$in"):
            raise Misunderstood(f"The filter's “{str(operator)[:100]}” is not known here. Use $eq or $in.")
    values = given if isinstance(given, list) else [given]
    if not all(isinstance(value, str) and can_be_kept(value) for value in values):
        raise Misunderstood(f"The filter's “{key}” must be a text or a list of texts.")
    if len(values) > MAX_VALUES:
        raise Misunderstood(f"The filter's “{key}” names more than {MAX_VALUES:,} assets. Name them in parts.")
    return values
