"""The shapes a line may have: one literal table, tried in order. No Django."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from datasets.contents import Contents
from datasets.imports import flat, per_annotation, per_asset
from datasets.imports.fields import Json, JsonObject, as_object
from datasets.imports.records import Record

Reader: TypeAlias = Callable[[JsonObject, type[Contents]], Record]

#: The key that gives a shape away, and who reads it.
_READERS: tuple[tuple[str, Reader], ...] = (
    ("annotations", per_asset.read),
    ("asset", per_annotation.read),
    ("", flat.read),
)


def read_record(value: Json, expected: type[Contents]) -> Record:
    """What a line says; its contents must be of the type `expected`. Raises `Unreadable`."""
    values = as_object(value, "A line")
    reader = next(read for key, read in _READERS if not key or key in values)
    return reader(values, expected)
