"""Read this export with tf.data. Needs TensorFlow alone.

Run `python read_tfrecord.py` in the unzipped folder to see its first records, or import it:

    from read_tfrecord import load

    for example in load("my-export", "train").ragged_batch(32).prefetch(2):
        ...

features.json says what each feature means, and whether boxes are in pixels or in fractions of the image.
"""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import tensorflow as tf

SPLITS = ("train", "validation")
SHARD = re.compile(r"annotations-(\d+)-of-(\d+)\.tfrecord")


def load(folder: str | os.PathLike[str] = ".", split: str | None = None) -> tf.data.Dataset:
    """The examples of the export unzipped in `folder`, in their order, each a dict from feature name to tensor.

    `split` is "train" or "validation"; None is everything. A feature with one value is a scalar, one with many a
    vector, empty where the asset has none. Raises FileNotFoundError when a shard is missing.
    """
    features = json.loads((Path(folder) / "features.json").read_text(encoding="utf-8"))["features"]
    spec = {feature["name"]: parser(feature) for feature in features}
    return tf.data.TFRecordDataset(shards(folder, split)).map(
        lambda record: tf.io.parse_single_example(record, spec),
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )


def parser(feature: dict[str, str]) -> tf.io.FixedLenFeature | tf.io.RaggedFeature:
    """How tf.io parses `feature`, an entry of features.json."""
    dtype = tf.as_dtype(feature["dtype"])
    if feature["values"] == "many":
        return tf.io.RaggedFeature(dtype)
    return tf.io.FixedLenFeature([], dtype, default_value=b"" if dtype == tf.string else None)


def shards(folder: str | os.PathLike[str], split: str | None = None) -> list[str]:
    """The paths of the shards, in order. Raises FileNotFoundError when there are none, or not all."""
    folders = [Path(folder, split)] if split else [Path(folder), *(Path(folder, name) for name in SPLITS)]
    found = [path for each in folders for path in complete(each)]
    if not found:
        raise FileNotFoundError(f"There are no annotations-*.tfrecord files in {folders[0]}.")
    return found


def complete(folder: Path) -> list[str]:
    """The shards of one folder, none if it has none. Raises FileNotFoundError when it has but some."""
    paths = sorted(folder.glob("annotations-*-of-*.tfrecord"))
    numbers = [match.groups() for path in paths if (match := SHARD.fullmatch(path.name))]
    if numbers and len(numbers) != int(numbers[0][1]):
        raise FileNotFoundError(
            f"{folder} holds {len(numbers)} of {int(numbers[0][1])} shards. Unzip the export again."
        )
    return [str(path) for path in paths]


def show(folder: Path, first: int = 3) -> None:
    """Print the first examples of each part of the export in `folder`, and its totals."""
    parts: list[str | None] = [split for split in SPLITS if (folder / split).is_dir()]
    for split in parts or [None]:
        totals = dict.fromkeys(("examples", "annotations", "boxes", "questions"), 0)
        for example in load(folder, split):
            if totals["examples"] < first:
                print(f"--- {split or 'example'} {totals['examples']}")
                for name, value in example.items():
                    print(f"{name}: {readable(name, value)}")
            totals["examples"] += 1
            totals["annotations"] += len(example["annotation/id"])
            totals["boxes"] += len(example["image/object/bbox/xmin"])
            totals["questions"] += len(example["vqa/question"])
        print(f"{split or 'all'}: " + ", ".join(f"{count} {what}" for what, count in totals.items()))


def readable(name: str, value: tf.Tensor) -> object:
    """The tensor as plain Python, its text decoded; of an image only the size."""
    if name == "image/encoded":
        return f"{len(value.numpy())} bytes"
    plain = value.numpy().tolist() if value.shape.rank else [value.numpy()]
    texts = [item.decode() if isinstance(item, bytes) else item for item in plain]
    return texts if value.shape.rank else texts[0]


if __name__ == "__main__":
    show(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent)
