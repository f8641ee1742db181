"""TFRecord: one `tf.train.Example` an asset, in shards of bounded size, with what it takes to read them.

The Examples are TensorFlow's, which is loaded for them alone: companions and preview do without it. The frame around
each is put here, for its own writer knows only files, and what it writes goes on into the archive.
"""

from __future__ import annotations

import gc
import os
import struct
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import Any

import google_crc32c

from exports.formats import vi_tfrecord_features
from exports.formats.vi_tfrecord_features import FEATURES
from exports.records import Chunk, Member, Options, Record, Run

_CHUNK = 1024 * 1024
_REFILLED = 1024 * 1024
_LIST_OF = {"string": "bytes_list", "int64": "int64_list", "float32": "float_list"}
_LISTS = {feature.name: _LIST_OF[feature.dtype] for feature in FEATURES}

_IMAGE = "image/encoded"
_LENGTH = struct.Struct("<Q")
_CRC = struct.Struct("<I")


def encode(run: Run, options: Options) -> Iterator[Member]:
    """The shard `annotations-00000-of-000NN.tfrecord` of this run, maybe empty."""
    name = run.path(f"annotations-{run.number:05}-of-{run.of:05}.tfrecord")
    frames = _frames(_examples(run.records, vi_tfrecord_features.number_labels(options.labels)))
    if options.include_images:
        yield Member(name, frames, compressed=False)
    else:
        yield Member(name, _even(frames))


def companions(options: Options) -> Iterator[Member]:
    """The label map, the feature specification, and a program that reads the shards by it."""
    reader = Path(__file__).with_name("vi_tfrecord_reader.py")
    yield Member("label_map.pbtxt", vi_tfrecord_features.label_map(options.labels))
    yield Member("features.json", [vi_tfrecord_features.specification(options).encode()])
    yield Member("read_tfrecord.py", [reader.read_bytes()])


def preview(record: Record, options: Options) -> str:
    """The features of `record` as JSON, a feature a line."""
    return vi_tfrecord_features.preview(record, options)


def load_tensorflow() -> Any:
    """The `tensorflow` module. The first call takes seconds: a worker may make it before there is an export."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    first = "tensorflow" not in sys.modules
    import tensorflow

    if first:
        # A million objects that stay: walking them again and again would take Python's collector most of an export.
        gc.freeze()
    return tensorflow


def _examples(records: Iterable[Record], numbers: Mapping[str, int]) -> Iterator[Sequence[bytes]]:
    """The Example of each record, serialized, in pieces."""
    features, rest = _Features(), _Features()
    for record in records:
        columns = vi_tfrecord_features.columns(record, numbers)
        if record.image is None:
            pieces = [features.serialize(columns)]
        else:
            # Copied into the message and out of it again, the image would take longer than all the rest. What is
            # before it and what is after it, in the order of their names, are the same bytes apart as in one message.
            before = {name: column for name, column in columns.items() if name < _IMAGE}
            after = {name: column for name, column in columns.items() if name > _IMAGE}
            pieces = [
                features.serialize(before) + _image_head(len(record.image)),
                record.image,
                rest.serialize(after),
            ]
        yield [_field(1, sum(map(len, pieces))), *pieces]


class _Features:
    """A `tf.train.Features` that is filled again and again."""

    def __init__(self) -> None:
        self._new = load_tensorflow().train.Features
        self._features: Any = None
        self._lists: dict[str, Any] = {}
        self._spent = 0

    def serialize(self, columns: vi_tfrecord_features.Columns) -> bytes:
        """The bytes of `columns`, in the order of their names."""
        # Filling it again takes half as long as a new one, but it keeps the memory of all it ever held.
        if self._spent >= _REFILLED or columns.keys() != self._lists.keys():
            self._features = self._new()
            self._lists = {name: _empty_list(self._features, name) for name in columns}
            self._spent = 0
        for name, values in self._lists.items():
            values[:] = columns[name]
        serialized: bytes = self._features.SerializeToString(deterministic=True)
        self._spent += len(serialized)
        return serialized


def _empty_list(features: Any, name: str) -> Any:
    """The values of the feature `name`, there from now on even when empty."""
    typed = getattr(features.feature[name], _LISTS[name])
    typed.SetInParent()
    return typed.value


def _image_head(size: int) -> bytes:
    """What comes before an image of `size` bytes in a `tf.train.Features`: the beginnings of all that it is in."""
    value = _field(1, size)  # of a BytesList
    kind = _field(1, len(value) + size)  # of a Feature
    name = _IMAGE.encode()
    entry = _field(1, len(name)) + name + _field(2, len(kind) + len(value) + size)
    return _field(1, len(entry) + len(kind) + len(value) + size) + entry + kind + value


def _field(number: int, size: int) -> bytes:
    """What begins a field of `size` bytes in a message of protobuf: its number and kind, and the size as a varint."""
    head = bytearray([number << 3 | 2])
    while size > 0x7F:
        head.append(size & 0x7F | 0x80)
        size >>= 7
    head.append(size)
    return bytes(head)


def _frames(examples: Iterable[Sequence[bytes]]) -> Iterator[bytes]:
    """Around each of `examples`: its length and the checksum of that, its own checksum."""
    for pieces in examples:
        length = _LENGTH.pack(sum(map(len, pieces)))
        yield length + _masked(google_crc32c.value(length))
        yield from pieces
        yield _masked(reduce(google_crc32c.extend, pieces, 0))


def _even(pieces: Iterable[bytes]) -> Iterator[Chunk]:
    """The same bytes in chunks of one size but for the last: what deflate makes of them depends on that."""
    pending: list[Chunk] = []
    size = 0
    for piece in pieces:
        pending.append(piece)
        size += len(piece)
        if size >= _CHUNK:
            joined = memoryview(b"".join(pending))
            size %= _CHUNK
            whole = len(joined) - size
            yield from (joined[start : start + _CHUNK] for start in range(0, whole, _CHUNK))
            pending = [joined[whole:]]
    if size:
        yield b"".join(pending)


def _masked(crc: int) -> bytes:
    """A CRC-32C, turned and moved as the format has it, so that a checksum of checksums is one still."""
    return _CRC.pack(((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)
