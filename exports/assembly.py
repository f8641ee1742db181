"""The annotations of many assets, put together by the database: the one place where an export goes past the ORM.

A row an asset instead of a row an annotation, with the JSON array of its annotations as it will be written; that is
several times quicker than the same in Python. Only what needs no repair can be had this way.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from django.db import connections

from datasets.models import Annotation, Asset


class Assembled(NamedTuple):
    """What is said of one asset: `annotations` is a JSON array as UTF-8, in the order of their rows, and `labels` has
    the labels text of each, one a line.
    """

    annotations: bytes
    labels: str


def assemble(assets: Sequence[int], *, normalized: bool, opening: str) -> dict[int, Assembled]:
    """What is said of those of `assets` (row ids) whose annotations can be written as they are, boxes in pixels or
    `normalized`: none is flawed, and every contents text begins with `opening`.

    Texts are those of Python's `json` with `ensure_ascii=False`, but for control characters, which may be escaped in
    another way.
    """
    text = "coalesce(a.contents_normalized, a.contents)" if normalized else "a.contents"
    marks = ", ".join(["%s"] * len(assets))
    known = {"text": text, "table": Annotation._meta.db_table, "assets": marks, "length": len(opening)}
    if connections["snapshot"].vendor == "postgresql":
        texts = _fetched(_POSTGRESQL.format(**known), [opening, *assets])
        rows = [(asset, entries.encode(), labels) for asset, entries, labels in texts]
    else:
        # What begins with the opening lies between it and the text that follows all of these.
        beyond = opening[:-1] + chr(ord(opening[-1]) + 1)
        rows = _fetched(_SQLITE.format(**known), [opening, beyond, *assets])
    return {
        asset: Assembled(b"[%b}]" % entries, labels)
        for asset, entries, labels in rows
        if not (labels.startswith("!") or "\n!" in labels)
    }


def asset_rows(assets: Sequence[int], columns: Sequence[str]) -> list[tuple[Any, ...]]:
    """The `columns` (of texts and numbers) of `assets` (row ids), by row id."""
    listed, marks = ", ".join(columns), ", ".join(["%s"] * len(assets))
    return _fetched(f"SELECT {listed} FROM {Asset._meta.db_table} WHERE id IN ({marks}) ORDER BY id", assets)  # noqa: S608


def _fetched(statement: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
    with connections["snapshot"].cursor() as cursor:
        cursor.execute(statement, parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


# The last entry lacks its brace: to add one in each row would copy every text once more. The labels of what cannot be
# written as it is are `!`.

# Before 3.44, SQLite's group_concat takes no ORDER BY: the rows come in the order of the index it is told to go by.
_SQLITE = """
SELECT a.asset_id,
    CAST(group_concat('{{"id":' || json_quote(a.uid) || ',"category":' || json_quote(a.category)
        || ',"contents":' || {text}, '}},') AS BLOB),
    group_concat(CASE WHEN a.flawed OR a.contents NOT BETWEEN %s AND %s THEN '!' ELSE a.labels END, char(10))
FROM {table} a INDEXED BY annotation_stream WHERE a.asset_id IN ({assets}) GROUP BY a.asset_id ORDER BY a.asset_id
"""

_POSTGRESQL = """
SELECT a.asset_id,
    string_agg('{{"id":' || to_json(a.uid)::text || ',"category":' || coalesce(to_json(a.category)::text, 'null')
        || ',"contents":' || {text}, '}},' ORDER BY a.id),
    string_agg(CASE WHEN a.flawed OR left(a.contents, {length}) <> %s THEN '!' ELSE a.labels END, chr(10) ORDER BY a.id)
FROM {table} a WHERE a.asset_id IN ({assets}) GROUP BY a.asset_id ORDER BY a.asset_id
"""
