"""The annotations of many assets, put together by the database: the one place where an export goes past the ORM.

A row an asset instead of a row an annotation, with the JSON array of its annotations as it will be written; that is
several times quicker than the same in Python. Only what needs no repair can be had this way.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from django.db import connections

from datasets.models import Annotation, Asset


class Assembled(NamedTuple):
    """One asset that has annotations. `annotations` is their JSON array, in the order of their rows.

    `labels` has the labels text of each, one a line. `whole` is False where an annotation is flawed or opens
    otherwise than asked: then the texts are not fit to be written.
    """

    asset: int
    annotations: str
    labels: str
    whole: bool


def assemble(assets: Sequence[int], *, normalized: bool, opening: str) -> Iterator[Assembled]:
    """What is said of `assets` (row ids), by row id, boxes in pixels or `normalized`.

    `opening` is what every contents text is to begin with. Texts are those of Python's `json` with
    `ensure_ascii=False`, but for control characters, which may be escaped in another way.
    """
    text = "coalesce(a.contents_normalized, a.contents)" if normalized else "a.contents"
    aggregate = _POSTGRESQL if connections["snapshot"].vendor == "postgresql" else _SQLITE
    statement = aggregate.format(
        text=text,
        table=Annotation._meta.db_table,
        assets=", ".join(["%s"] * len(assets)),
        length=len(opening),
    )
    for asset, entries, labels, broken in _fetched(statement, [opening, *assets]):
        yield Assembled(asset, f"[{entries}]", labels, not broken)


def asset_rows(assets: Sequence[int], columns: Sequence[str]) -> list[tuple[Any, ...]]:
    """The `columns` (of texts and numbers) of `assets` (row ids), by row id."""
    listed, marks = ", ".join(columns), ", ".join(["%s"] * len(assets))
    return _fetched(f"SELECT {listed} FROM {Asset._meta.db_table} WHERE id IN ({marks}) ORDER BY id", assets)  # noqa: S608


def _fetched(statement: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
    with connections["snapshot"].cursor() as cursor:
        cursor.execute(statement, parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


# Before 3.44, SQLite's group_concat takes no ORDER BY: the rows come in the order of the index it is told to go by.
_SQLITE = """
SELECT a.asset_id,
    group_concat('{{"id":' || json_quote(a.uid) || ',"category":' || json_quote(a.category)
        || ',"contents":' || {text} || '}}', ','),
    group_concat(a.labels, char(10)),
    max(a.flawed OR substr(a.contents, 1, {length}) <> %s)
FROM {table} a INDEXED BY annotation_stream WHERE a.asset_id IN ({assets}) GROUP BY a.asset_id ORDER BY a.asset_id
"""

_POSTGRESQL = """
SELECT a.asset_id,
    string_agg('{{"id":' || to_json(a.uid)::text || ',"category":' || coalesce(to_json(a.category)::text, 'null')
        || ',"contents":' || {text} || '}}', ',' ORDER BY a.id),
    string_agg(a.labels, chr(10) ORDER BY a.id),
    bool_or(a.flawed OR left(a.contents, {length}) <> %s)
FROM {table} a WHERE a.asset_id IN ({assets}) GROUP BY a.asset_id ORDER BY a.asset_id
"""
