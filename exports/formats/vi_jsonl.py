"""Vi JSONL: one line an asset, one JSON object a line. The stored contents pass through untouched."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from json.encoder import encode_basestring as _quoted

import msgspec

from exports.records import Member, Options, Record, Run

_CHUNK_BYTES = 256 * 1024


def encode(run: Run, options: Options) -> Iterator[Member]:
    """A piece of `annotations.jsonl`: UTF-8, no BOM, a line feed after every record."""
    yield Member(run.path("annotations.jsonl"), _chunks(run.records), more=not run.is_last)


def companions(options: Options) -> Iterator[Member]:
    """None: a line says all there is."""
    return iter(())


def preview(record: Record, options: Options) -> str:
    """The line of `record`, laid out over several."""
    return msgspec.json.format(line(record), indent=2).decode()


def line(record: Record) -> bytes:
    """The JSON object of `record` in UTF-8, without the line feed."""
    return b"%b%b}" % (head(record), record.annotations)


def head(record: Record) -> bytes:
    """The line up to its annotations.

    `original_filename` is there only where an archive cannot use the asset's own file name.
    """
    original = ""
    if record.original_filename != record.filename:
        original = f'"original_filename":{_quoted(record.original_filename)},'
    return (
        f'{{"asset_id":{_quoted(record.asset_id)},"filename":{_quoted(record.filename)},{original}'
        f'"width":{record.width},"height":{record.height},"annotations":'
    ).encode()


def _chunks(records: Iterable[Record]) -> Iterator[bytes]:
    # The pieces of many lines are joined at once: each text is copied a single time on its way.
    pieces: list[bytes] = []
    size = 0
    for record in records:
        pieces += (head(record), record.annotations, b"}\n")
        size += len(record.annotations)
        if size >= _CHUNK_BYTES:
            yield b"".join(pieces)
            pieces.clear()
            size = 0
    if pieces:
        yield b"".join(pieces)
