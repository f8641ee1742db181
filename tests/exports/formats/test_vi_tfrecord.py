"""Shards of TFRecord exports, byte for byte as TensorFlow would write them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from datasets.contents import PhraseGrounding, repair
from datasets.geometry import Box
from exports.formats import vi_tfrecord, vi_tfrecord_features
from exports.formats.vi_tfrecord_features import FEATURES
from exports.records import Options, Record, Run
from tests.exports.formats.tfrecords import GOLDEN, LABELS, PICTURES, QUESTIONS, VALVES, options, phrase, record, run_of


def shard(run: Run, asked: Options) -> dict[str, bytes]:
    return {member.name: b"".join(map(bytes, member.chunks)) for member in vi_tfrecord.encode(run, asked)}


def test_a_run_is_a_shard_named_by_its_place() -> None:
    found = shard(Run("train", 2, 11, [record(0)]), options())
    assert list(found) == ["train/annotations-00002-of-00011.tfrecord"]


def test_a_run_without_records_is_an_empty_shard() -> None:
    assert shard(Run("", 0, 1, []), options()) == {"annotations-00000-of-00001.tfrecord": b""}


def test_members_are_deflated_unless_images_are_inside() -> None:
    plain = [member.compressed for member in vi_tfrecord.encode(run_of(VALVES), options())]
    images = options(include_images=True)
    assert (plain, [member.compressed for member in vi_tfrecord.encode(run_of(PICTURES), images)]) == (
        [True],
        [False],
    )


def test_the_same_records_make_the_same_bytes() -> None:
    asked = options(labels=LABELS)
    assert shard(run_of(VALVES), asked) == shard(run_of(VALVES), asked)


@pytest.mark.parametrize(
    ("stored", "records", "changes"),
    [
        ("valves.tfrecord", VALVES, {"labels": LABELS}),
        ("questions.tfrecord", QUESTIONS, {"labels": ("", "Ja ✓", "No")}),
        ("pictures.tfrecord", PICTURES, {"include_images": True}),
    ],
)
def test_a_shard_is_as_it_always_was(stored: str, records: list[Record], changes: dict[str, Any]) -> None:
    [found] = shard(run_of(records), options(**changes)).values()
    assert found == (GOLDEN / stored).read_bytes()


def test_a_shard_is_what_tensorflow_would_write(tmp_path: Path) -> None:
    # One after the other, small and large: nothing of a record may show in the next.
    sizes = (3 * 1024 * 1024, 0, 1, 99, 100, 127, 128, 16_200, 16_383, 16_384, 2_097_151)
    pictures = [VALVES[0]._replace(image=bytes(size), mime_type="image/png") for size in sizes]
    mixed = [VALVES[1], *pictures, VALVES[2], *VALVES, *QUESTIONS, *reversed(pictures), *PICTURES, VALVES[0]]
    numbers = vi_tfrecord_features.number_labels(LABELS)
    columns = [vi_tfrecord_features.columns(record, numbers) for record in mixed]
    [found] = shard(run_of(mixed), options(labels=LABELS, include_images=True)).values()
    assert found == written_by_tensorflow(tmp_path / "expected", columns)


def written_by_tensorflow(path: Path, columns: Iterable[vi_tfrecord_features.Columns]) -> bytes:
    """A file of Examples, each made in the plain way."""
    import tensorflow as tf

    make = {
        "string": lambda values: tf.train.Feature(bytes_list=tf.train.BytesList(value=values)),
        "int64": lambda values: tf.train.Feature(int64_list=tf.train.Int64List(value=values)),
        "float32": lambda values: tf.train.Feature(float_list=tf.train.FloatList(value=values)),
    }
    kinds = {feature.name: make[feature.dtype] for feature in FEATURES}
    with tf.io.TFRecordWriter(str(path)) as writer:
        for filled in columns:
            features = tf.train.Features(feature={name: kinds[name](values) for name, values in filled.items()})
            writer.write(tf.train.Example(features=features).SerializeToString(deterministic=True))
    return path.read_bytes()


@pytest.mark.parametrize("sliver", [(4000.0001, 0, 4000.0002, 9), (0, 49999.999, 9, 50000)])
def test_a_box_too_thin_for_float32_is_left_out_beforehand(sliver: Box) -> None:
    kept, flaws = repair(PhraseGrounding("", [phrase("dust", sliver, (1, 1, 2, 2))]), width=50000, height=50000)
    assert isinstance(kept, PhraseGrounding)
    assert [flaw.kind for flaw in flaws] == ["degenerate"]
    assert kept.grounded_phrases[0].bounds == [(1, 1, 2, 2)]


def test_a_source_that_breaks_is_heard_of() -> None:
    def records() -> Iterator[Record]:
        yield VALVES[0]
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        shard(run_of(records()), options())


def test_chunks_are_of_one_size() -> None:
    picture = VALVES[0]._replace(image=bytes(700_000))
    [member] = vi_tfrecord.encode(run_of([VALVES[0], picture, *VALVES * 500, picture]), options())
    *sizes, last = [len(chunk) for chunk in member.chunks]
    assert len(sizes) > 1
    assert set(sizes) == {1024 * 1024}
    assert 0 < last <= 1024 * 1024


def test_tensorflow_is_loaded_by_encoding_alone() -> None:
    program = """
import sys
from exports.formats import vi_tfrecord
from exports.records import Options, Record
asked = Options(normalized=False, include_images=False, labels=("a",))
vi_tfrecord.preview(Record("1", "a.jpg", "a.jpg", 1, 1, ()), asked)
assert all(b"".join(map(bytes, member.chunks)) for member in vi_tfrecord.companions(asked))
assert "tensorflow" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
