"""The query for custom metadata, `camera:aerial`: one or several pairs, all of which an asset must have."""

from __future__ import annotations

import json
import re
from typing import Any

from django.db.models import Q, QuerySet
from django.db.models.fields.json import KeyTransform

from datasets.models import Asset

MAX_PAIRS = 20
#: Far more than a key and its value may be; SQLite compares no parts of texts beyond 50,000 bytes.
MAX_LENGTH = 8_000
#: Texts with spaces or colons stand in quotation marks.
_PAIR = re.compile(r'\s*(?:"([^"]+)"|([^\s":]+)):(?:"([^"]*)"|([^\s"]+))(?=\s|$)\s*')
_INDEX = re.compile(r"\s*[+-]?[0-9_]+\s*")
_NUMBER = re.compile(r"-?[0-9]{1,18}(?:\.[0-9]{1,18})?", re.ASCII)


class Misunderstood(ValueError):
    """The query says something else than can be understood; the message is a sentence."""


def with_metadata(assets: QuerySet[Asset], query: str, *, strict: bool) -> QuerySet[Asset]:
    """Those of `assets` whose custom metadata has every `key:value` of `query`.

    The key is meant exactly. A value is too if `strict`; else it is part of the one that is kept, in any case of its
    letters. Numbers, `true` and `false` find what was kept as such, and as a text. Raises `Misunderstood`.
    """
    for number, (key, value) in enumerate(_pairs(query)):
        name = f"metadata_{number}"
        wanted = Q()
        for meant in _meant(value) if strict else ():
            wanted |= Q(**{name: meant})
        if not strict:
            wanted = Q(**{f"{name}__icontains": value})
        assets = assets.alias(**{name: KeyTransform(key, "custom_metadata")}).filter(wanted)
    return assets


def _pairs(query: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    place = 0
    if len(query) > MAX_LENGTH:
        raise Misunderstood(f"The metadata query has more than {MAX_LENGTH:,} characters. Shorten it.")
    while place < len(query):
        match = _PAIR.match(query, place)
        if match is None or "\x00" in match[0] or len(found) == MAX_PAIRS:
            raise Misunderstood(
                f"The metadata query must be at most {MAX_PAIRS} pairs such as camera:aerial or "
                '"lens type":"wide angle", with spaces between them.'
            )
        key = match[1] or match[2]
        # A database takes it for a place in a list.
        if _INDEX.fullmatch(key):
            raise Misunderstood(f"The metadata query's key “{key[:100]}” is a number, which cannot be asked for.")
        found.append((key, match[4] if match[3] is None else match[3]))
        place = match.end()
    return found


def _meant(value: str) -> list[Any]:
    """The values that are kept which `value` may stand for."""
    is_json = value in ("true", "false") or _NUMBER.fullmatch(value)
    try:
        return [value, json.loads(value)] if is_json else [value]
    except ValueError:  # such as 007
        return [value]
