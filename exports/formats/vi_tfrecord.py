"""TFRecord: one `tf.train.Example` an asset, in shards of bounded size, with what it takes to read them.

TensorFlow writes the shards and is loaded for that alone: companions and preview do without it.
"""

from __future__ import annotations

import errno
import gc
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from exports.formats import vi_tfrecord_features
from exports.formats.vi_tfrecord_features import FEATURES
from exports.records import Chunk, Member, Options, Record, Run

_READ = 1024 * 1024
_REFILLED = 1024 * 1024
_LIST_OF = {"string": "bytes_list", "int64": "int64_list", "float32": "float_list"}
_LISTS = {feature.name: _LIST_OF[feature.dtype] for feature in FEATURES}


def encode(run: Run, options: Options) -> Iterator[Member]:
    """The shard `annotations-00000-of-000NN.tfrecord` of this run, maybe empty.

    It is spooled in a folder under `options.spool_dir` that goes when the generator ends, however it ends.
    """
    numbers = vi_tfrecord_features.number_labels(options.labels)
    options.spool_dir.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="tfrecord-", dir=options.spool_dir) as folder:
        spool = Path(folder) / "shard"
        with _as_os_errors():
            _write(spool, run.records, numbers)
        name = run.path(f"annotations-{run.number:05}-of-{run.of:05}.tfrecord")
        yield Member(name, _read(spool), compressed=not options.include_images)


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


def _write(path: Path, records: Iterable[Record], numbers: Mapping[str, int]) -> None:
    tf = load_tensorflow()
    lists: dict[str, Any] = {}
    spent = 0
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            columns = vi_tfrecord_features.columns(record, numbers)
            # Filling an Example again takes half as long as a new one, but it keeps the memory of all it ever held.
            if spent >= _REFILLED or columns.keys() != lists.keys():
                example = tf.train.Example()
                lists = {name: _empty_list(example, name) for name in columns}
                spent = 0
            for name, values in lists.items():
                values[:] = columns[name]
            serialized = example.SerializeToString(deterministic=True)
            writer.write(serialized)
            spent += len(serialized)


@contextmanager
def _as_os_errors() -> Iterator[None]:
    """TensorFlow has a name of its own for a full disk."""
    try:
        yield
    except load_tensorflow().errors.ResourceExhaustedError as error:
        for number in (errno.ENOSPC, errno.EDQUOT):
            if os.strerror(number) in str(error):
                raise OSError(number, os.strerror(number)) from error
        raise


def _empty_list(example: Any, name: str) -> Any:
    """The values of the feature `name`, there from now on even when empty."""
    typed = getattr(example.features.feature[name], _LISTS[name])
    typed.SetInParent()
    return typed.value


def _read(path: Path) -> Iterator[Chunk]:
    buffer = memoryview(bytearray(_READ))
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(buffer):
            yield buffer[:count]
