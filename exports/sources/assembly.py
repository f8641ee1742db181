"""Assets with all that is said of them, put together by the database, in SQL written by hand.

A row an asset instead of a row an annotation, with the JSON array of its annotations as it will be written; that is
several times quicker than the same in Python. Only what needs no repair can be had this way.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.db import connections

from datasets.models import Annotation, Asset
from exports.sources.queries import streamed


def assemble(
    assets: Sequence[int], columns: Sequence[str], *, normalized: bool, opening: str
) -> Iterator[tuple[Any, ...]]:
    """The `columns` (of texts and numbers) of `assets` (row ids), by row id, each with two more: what is said of it.

    These are the JSON array of its annotations, as UTF-8 and in the order of their rows, boxes in pixels or
    `normalized`, and the labels text of each, one a line. The array is None where the texts cannot be written as they
    are: where an annotation is flawed, or its contents text does not begin with `opening`.

    Texts are those of Python's `json` with `ensure_ascii=False`, but for control characters, which may be escaped in
    another way.
    """
    known = {
        "columns": ", ".join(f"asset.{column}" for column in columns),
        "assets": ", ".join(["%s"] * len(assets)),
        "text": "coalesce(a.contents_normalized, a.contents)" if normalized else "a.contents",
        "asset_table": Asset._meta.db_table,
        "annotation_table": Annotation._meta.db_table,
    }
    if connections["snapshot"].vendor == "postgresql":
        statement, bounds = _POSTGRESQL, [len(opening), opening]
    else:
        # What begins with the opening lies between it and the text that follows all of these.
        statement, bounds = _SQLITE, [opening, opening[:-1] + chr(ord(opening[-1]) + 1)]
    for *told, entries, labels in streamed(statement.format(**known), [*bounds, *assets]):
        if labels is None or labels.startswith("!") or ("!" in labels and "\n!" in labels):
            yield (*told, None, labels)
        else:
            yield (*told, b"[%b}]" % (entries if isinstance(entries, bytes) else entries.encode()), labels)


# The last entry lacks its brace: to add one in each row would copy every text once more. The labels of what cannot be
# written as it is are `!`.

# Before 3.44, SQLite's group_concat takes no ORDER BY: the rows come in the order of the index it is told to go by.
_SQLITE = """
SELECT {columns},
    CAST(group_concat('{{"id":' || json_quote(a.uid) || ',"category":' || json_quote(a.category)
        || ',"contents":' || {text}, '}},') AS BLOB),
    group_concat(CASE WHEN a.flawed OR a.contents NOT BETWEEN %s AND %s THEN '!' ELSE a.labels END, '
')
FROM {asset_table} asset LEFT JOIN {annotation_table} a INDEXED BY annotation_stream ON a.asset_id = asset.id
WHERE asset.id IN ({assets}) GROUP BY asset.id ORDER BY asset.id
"""

_POSTGRESQL = """
SELECT {columns}, said.entries, said.labels
FROM {asset_table} asset, LATERAL (
    SELECT string_agg('{{"id":' || to_json(a.uid)::text || ',"category":' || coalesce(to_json(a.category)::text, 'null')
            || ',"contents":' || {text}, '}},' ORDER BY a.id) AS entries,
        string_agg(CASE WHEN a.flawed OR left(a.contents, %s) <> %s THEN '!' ELSE a.labels END, chr(10) ORDER BY a.id)
            AS labels
    FROM {annotation_table} a WHERE a.asset_id = asset.id
) said
WHERE asset.id IN ({assets}) ORDER BY asset.id
"""
