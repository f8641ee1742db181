"""Cutting an annotation file into its lines, one at a time, however long or broken they are. No Django."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec

from datasets.imports.fields import Json, Unreadable

MAX_LINE_BYTES = 8 * 1024 * 1024

_BOM = b"\xef\xbb\xbf"
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")
_BLANK = b" \t\r\n\x0b\x0c"

_decoder: msgspec.json.Decoder[Json] = msgspec.json.Decoder(object)


class Line(NamedTuple):
    """One line: its number from 1, its size in bytes, and its JSON value or why it has none."""

    number: int
    size: int
    value: Json | Unreadable


def read_lines(path: Path) -> Iterator[Line]:
    """The lines of the file at `path` that are not blank. A `.json` file may also be one JSON document: a record,
    or a list of them.

    Memory stays within a few `MAX_LINE_BYTES`. Raises `OSError`.
    """
    with path.open("rb") as file:
        start = file.read(3)
        if start.startswith(_UTF16_BOMS):
            yield Line(0, path.stat().st_size, Unreadable("The file is UTF-16. Save it as UTF-8."))
            return
        file.seek(len(_BOM) if start == _BOM else 0)
        if path.suffix.lower() == ".json" and (document := _document(file)):
            yield from document
            return
        yield from _lines(file)


def _lines(file: BinaryIO) -> Iterator[Line]:
    number = 0
    while text := file.readline(MAX_LINE_BYTES + 1):
        number += 1
        size = len(text)
        if size > MAX_LINE_BYTES and not text.endswith(b"\n"):
            size += _skip_rest(file)
            limit = MAX_LINE_BYTES // 2**20
            yield Line(number, size, Unreadable(f"The line is longer than {limit} MiB."))
        elif text := text.strip(_BLANK):
            yield Line(number, size, _parse(text))


def _skip_rest(file: BinaryIO) -> int:
    skipped = 0
    while text := file.readline(2**20):
        skipped += len(text)
        if text.endswith(b"\n"):
            break
    return skipped


def _document(file: BinaryIO) -> list[Line]:
    """The records of the file where it is one JSON document of bounded size; else none, and the file as it was."""
    start = file.tell()
    text = file.read(MAX_LINE_BYTES + 1)
    value = _parse(text) if len(text) <= MAX_LINE_BYTES else None
    if not isinstance(value, list | dict):
        file.seek(start)
        return []
    records = value if isinstance(value, list) else [value]
    return [Line(number, len(text) // len(records), record) for number, record in enumerate(records, 1)]


def _parse(text: bytes) -> Json | Unreadable:
    try:
        return _decoder.decode(text)
    except UnicodeDecodeError:
        return Unreadable("The line is not UTF-8.")
    except RecursionError:
        return Unreadable("The line is nested too deeply.")
    except msgspec.DecodeError as error:
        return Unreadable(f"The line is not valid JSON: {error}.")
