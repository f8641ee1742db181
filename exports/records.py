"""The words that sources, encoders and the archive share. No Django."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import msgspec

from datasets.contents import Contents, ContentsError

Chunk: TypeAlias = bytes | bytearray | memoryview


class AnnotationRecord(msgspec.Struct, frozen=True, gc=False):
    """One annotation as it will be written, typed: boxes inside the image, of positive area, in the unit asked for."""

    id: str
    category: str | None
    contents: Contents


class Record(NamedTuple):
    """One asset with its annotations, in the order of the database.

    `filename` is the asset's name in any archive; `original_filename` what the user calls it. `width` and `height`
    are px of the stored image. `annotations` is a JSON array of objects with `id`, `category` and `contents`, as
    canonical text in UTF-8; `parsed` is the same, typed, for formats that need it. `image` has the uploaded bytes,
    where images go inside the records.
    """

    asset_id: str
    filename: str
    original_filename: str
    width: int
    height: int
    annotations: bytes
    parsed: tuple[AnnotationRecord, ...] = ()
    mime_type: str = ""
    image: bytes | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """A stretch of one part of the export, to be encoded without knowing of the others.

    It is the `number`th, from 0, `of` so many; the part is in the archive's folder `folder`, "" for none. A record
    that turns out bad is left out of `records`: there may be none.
    """

    folder: str
    number: int
    of: int
    records: Iterable[Record]

    @property
    def is_last(self) -> bool:
        return self.number == self.of - 1

    def path(self, name: str) -> str:
        """The name in the archive of this part's member `name`."""
        return f"{self.folder}/{name}" if self.folder else name


@dataclass(frozen=True, slots=True)
class Options:
    """What an encoder needs to know of the export.

    `labels` are all labels of the export, sorted, for formats that number them.
    """

    normalized: bool
    include_images: bool
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Expected:
    """What is known of a member's bytes beforehand; the archive refuses to keep others."""

    size: int
    crc32: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Member:
    """A file of the archive: its name and its bytes, pulled chunk by chunk. A chunk is used up before the next.

    A file may come in several pieces, one after the other under the same name: each but the last has `more` to come.
    """

    name: str
    chunks: Iterable[Chunk]
    compressed: bool = True
    expected: Expected | None = None
    more: bool = False


_annotations_decoder = msgspec.json.Decoder(tuple[AnnotationRecord, ...])
_annotations_encoder = msgspec.json.Encoder()


def parse_annotations(text: bytes) -> tuple[AnnotationRecord, ...]:
    """The typed form of `Record.annotations`. Raises `ContentsError`."""
    try:
        return _annotations_decoder.decode(text)
    except msgspec.DecodeError as error:
        raise ContentsError(f"The annotations are not valid: {error}.") from error


def dump_annotations(annotations: Sequence[AnnotationRecord]) -> bytes:
    """The text of `Record.annotations`; the inverse of `parse_annotations`."""
    return _annotations_encoder.encode(annotations)
