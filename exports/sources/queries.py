"""Rows as the database's driver gives them, of the moment an export sees.

Django would convert row by row what needs no conversion: here only texts and numbers are asked for.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from typing import Any

from django.db import connections
from django.db.models import QuerySet

from datasets.models import Asset

_ASSETS_A_CHUNK = 200


def in_chunks(ids: array[int]) -> Iterator[list[int]]:
    """As many of the assets `ids` as one query asks for, in order."""
    return (ids[start : start + _ASSETS_A_CHUNK].tolist() for start in range(0, len(ids), _ASSETS_A_CHUNK))


def asset_rows(assets: Sequence[int], columns: Sequence[str]) -> list[tuple[Any, ...]]:
    """The `columns` (of texts and numbers) of `assets` (row ids), by row id."""
    listed, marks = ", ".join(columns), ", ".join(["%s"] * len(assets))
    statement = f"SELECT {listed} FROM {Asset._meta.db_table} WHERE id IN ({marks}) ORDER BY id"  # noqa: S608 - names of ours
    return list(streamed(statement, assets))


def streamed(statement: str, parameters: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
    """The rows of `statement`, one by one as they are used: a text that is taken while it is in the processor's cache
    costs half as much.
    """
    snapshot = connections["snapshot"]
    cursor = snapshot.cursor()
    cursor.execute(statement, parameters)
    with snapshot.wrap_database_errors:
        # Not `yield from`: who stops early may do so after the connection was closed, when no cursor can be any more.
        for row in cursor.cursor:  # noqa: UP028 - see above
            yield row


def plain_rows(rows: QuerySet[Any, Any]) -> Iterator[list[tuple[Any, ...]]]:
    """The rows of a `values_list`, of texts and numbers, some at a time: there may be too many for memory."""
    sql, parameters = rows.query.get_compiler("snapshot").as_sql()
    with connections["snapshot"].chunked_cursor() as cursor:
        cursor.execute(sql, parameters)
        while batch := cursor.fetchmany(1000):
            yield batch
