"""Reading one field of a JSON object, or saying in a sentence what is wrong with it. Pure; no Django."""

from __future__ import annotations

from typing import TypeAlias, cast

from datasets.imports.account import quoted

Json: TypeAlias = object
JsonObject: TypeAlias = dict[str, Json]

_MAX_WHOLE = 2**53 - 1


class Unreadable(ValueError):
    """The line, or one annotation on it, cannot be used; the message is a sentence that says why."""


def as_object(value: Json, what: str) -> JsonObject:
    if not isinstance(value, dict):
        raise Unreadable(f"{what} must be a JSON object, not {_kind(value)}.")
    return cast(JsonObject, value)


def as_list(value: Json, what: str) -> list[Json]:
    if not isinstance(value, list):
        raise Unreadable(f"{what} must be a list, not {_kind(value)}.")
    return value


def first(values: JsonObject, *keys: str) -> Json:
    """The value of the first of `keys` that is there and not null; else None."""
    for key in keys:
        value = values.get(key)
        if value is not None:
            return value
    return None


def text(values: JsonObject, *keys: str) -> str:
    """The text under the first of `keys`; required."""
    value = first(values, *keys)
    if value is None:
        raise Unreadable(f"“{keys[0]}” is missing.")
    if not isinstance(value, str):
        raise Unreadable(f"“{keys[0]}” must be text, not {_kind(value)}.")
    return value


def name(values: JsonObject, *keys: str, limit: int) -> str:
    """A short text that goes into a column of its own; empty where it is absent."""
    if first(values, *keys) is None:
        return ""
    value = text(values, *keys)
    if len(value) > limit:
        raise Unreadable(f"“{keys[0]}” is longer than {limit} characters: {quoted(value, 40)}.")
    if "\x00" in value:
        raise Unreadable(f"“{keys[0]}” holds a NUL character: {quoted(value)}.")
    return value


def whole(values: JsonObject, *keys: str) -> int | None:
    """The whole number under the first of `keys` (640.0 counts as one); None where it is absent."""
    value = first(values, *keys)
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise Unreadable(f"“{keys[0]}” must be a whole number, not {_kind(value)}.")
    if abs(value) > _MAX_WHOLE:
        raise Unreadable(f"“{keys[0]}” is out of range.")
    return value


def _kind(value: Json) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return f"the number {value:.12g}" if abs(value) < 1e15 else "a number"
        case str():
            return f"the text {quoted(value, 40)}"
        case list():
            return "a list"
        case _:
            return "a JSON object"
