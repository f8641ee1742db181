"""What a TFRecord export says of an asset: the table of features, and the columns that fill them.

The names are those of TensorFlow's Object Detection API where it has one. Floats are float32, as in every
`tf.train.Example`: pixels keep half a pixel in any image narrower than 2**23 px. No TensorFlow here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, repeat
from typing import Any, Literal, NamedTuple, TypeAlias

import msgspec

from datasets.contents import NO_TOKEN, PhraseGrounding, Vqa
from exports.records import Options, Record

#: The values of one Example: feature name to column. Text is UTF-8.
Columns: TypeAlias = dict[str, Sequence[bytes] | Sequence[float]]


class Feature(NamedTuple):
    """One feature of the Examples. `one` value each, or `many`: any number, none at all included."""

    name: str
    dtype: Literal["string", "int64", "float32"]
    values: Literal["one", "many"]
    meaning: str


#: Every feature there is. The writer, the feature specification and through it the shipped reader go by this table.
FEATURES: tuple[Feature, ...] = (
    Feature("image/filename", "string", "one", "The asset's name in any archive of its dataset."),
    Feature("image/original_filename", "string", "one", "What the user calls it, where that differs; else empty."),
    Feature("image/source_id", "string", "one", "The id of the asset."),
    Feature("image/width", "int64", "one", "Width of the stored image in px; EXIF orientation is not applied."),
    Feature("image/height", "int64", "one", "Height of the stored image in px."),
    Feature("image/format", "string", "one", "The format of image/encoded: jpeg, png, …"),
    Feature("image/encoded", "string", "one", "The uploaded image file, byte for byte; empty where it is missing."),
    Feature("annotation/id", "string", "many", "Per annotation: its id."),
    Feature("annotation/category", "string", "many", "Per annotation: its category, empty where it has none."),
    Feature("annotation/caption", "string", "many", "Per annotation: its caption."),
    Feature("phrase/text", "string", "many", "Per grounded phrase: its words."),
    Feature("phrase/annotation", "int64", "many", "Per phrase: its annotation, from 0."),
    Feature("phrase/char_start", "int64", "many", "Per phrase: its first character in the caption; -1 if unknown."),
    Feature("phrase/char_end", "int64", "many", "Per phrase: the character after its last; -1 if unknown."),
    Feature("phrase/token_start", "int64", "many", "Per phrase: its first word in the caption; -1 if unknown."),
    Feature("phrase/token_end", "int64", "many", "Per phrase: its last word, inclusive; -1 if unknown."),
    Feature(
        "phrase/box_count",
        "int64",
        "many",
        "Per phrase: how many boxes it has; they stand in the order of the phrases.",
    ),
    Feature("image/object/bbox/xmin", "float32", "many", "Per box: left edge, from the left of the image."),
    Feature("image/object/bbox/ymin", "float32", "many", "Per box: upper edge, from the top of the image."),
    Feature("image/object/bbox/xmax", "float32", "many", "Per box: right edge."),
    Feature("image/object/bbox/ymax", "float32", "many", "Per box: lower edge."),
    Feature("image/object/class/text", "string", "many", "Per box: the phrase it grounds."),
    Feature("image/object/class/label", "int64", "many", "Per box: the number of that phrase in label_map.pbtxt."),
    Feature("image/object/annotation", "int64", "many", "Per box: its annotation, from 0."),
    Feature("vqa/question", "string", "many", "Per interaction: the question."),
    Feature("vqa/answer", "string", "many", "Per interaction: the answer."),
    Feature("vqa/answer/label", "int64", "many", "Per interaction: the number of the answer in label_map.pbtxt."),
    Feature("vqa/order", "int64", "many", "Per interaction: its place in the conversation, from 1."),
    Feature("vqa/annotation", "int64", "many", "Per interaction: its annotation, from 0."),
)

_IMAGE_FEATURES = ("image/format", "image/encoded")
_UNKNOWN_SPAN = (NO_TOKEN, NO_TOKEN)


def columns(record: Record, numbers: Mapping[str, int]) -> Columns:
    """The columns of `record`: those of its kind of contents, empty ones included.

    `numbers` are the labels' in the label map; a label that is not in it has number 0.
    """
    annotations = record.parsed
    filled: Columns = {
        "image/filename": (record.filename.encode(),),
        "image/source_id": (record.asset_id.encode(),),
        "image/width": (record.width,),
        "image/height": (record.height,),
        "annotation/id": [annotation.id.encode() for annotation in annotations],
        "annotation/category": [(annotation.category or "").encode() for annotation in annotations],
    }
    if record.original_filename != record.filename:
        filled["image/original_filename"] = (record.original_filename.encode(),)
    if record.image is not None:
        filled["image/format"] = (record.mime_type.removeprefix("image/").encode(),)
        filled["image/encoded"] = (record.image,)
    contents: list[Any] = [annotation.contents for annotation in annotations]
    if contents and isinstance(contents[0], PhraseGrounding):
        filled.update(_grounding_columns(contents, numbers))
    elif contents:
        filled.update(_vqa_columns(contents, numbers))
    return filled


def _grounding_columns(contents: Sequence[PhraseGrounding], numbers: Mapping[str, int]) -> Columns:
    phrases = [
        (
            index,
            phrase.phrase,
            *(phrase.char_span or _UNKNOWN_SPAN),
            phrase.start_token_index,
            phrase.end_token_index,
            phrase.bounds,
        )
        for index, grounding in enumerate(contents)
        for phrase in grounding.grounded_phrases
    ]
    owners, words, char_starts, char_ends, token_starts, token_ends, bounds = _transposed(phrases, 7)
    xmins, ymins, xmaxs, ymaxs = _transposed(list(chain.from_iterable(bounds)), 4)
    texts = [word.encode() for word in words]
    labels = [numbers.get(word, 0) for word in words]
    counts = list(map(len, bounds))
    return {
        "annotation/caption": [grounding.caption.encode() for grounding in contents],
        "phrase/text": texts,
        "phrase/annotation": owners,
        "phrase/char_start": char_starts,
        "phrase/char_end": char_ends,
        "phrase/token_start": token_starts,
        "phrase/token_end": token_ends,
        "phrase/box_count": counts,
        "image/object/bbox/xmin": xmins,
        "image/object/bbox/ymin": ymins,
        "image/object/bbox/xmax": xmaxs,
        "image/object/bbox/ymax": ymaxs,
        "image/object/class/text": _per_box(texts, counts),
        "image/object/class/label": _per_box(labels, counts),
        "image/object/annotation": _per_box(owners, counts),
    }


def _transposed(rows: Sequence[tuple[Any, ...]], width: int) -> Iterable[tuple[Any, ...]]:
    return zip(*rows, strict=True) if rows else repeat((), width)


def _per_box(values: Sequence[Any], counts: list[int]) -> Sequence[Any]:
    if counts.count(1) == len(counts):
        return values
    return list(chain.from_iterable(map(repeat, values, counts)))


def _vqa_columns(contents: Sequence[Vqa], numbers: Mapping[str, int]) -> Columns:
    interactions = [interaction for vqa in contents for interaction in vqa.interactions]
    return {
        "vqa/question": [interaction.question.encode() for interaction in interactions],
        "vqa/answer": [interaction.answer.encode() for interaction in interactions],
        "vqa/answer/label": [numbers.get(interaction.answer, 0) for interaction in interactions],
        "vqa/order": [interaction.order for interaction in interactions],
        "vqa/annotation": [index for index, vqa in enumerate(contents) for _ in vqa.interactions],
    }


# As text


def number_labels(labels: Iterable[str]) -> dict[str, int]:
    """The numbers of `labels` in the label map, from 1; 0 is the background, as everywhere in object detection."""
    return {label: number for number, label in enumerate(labels, start=1)}


def label_map(labels: Iterable[str]) -> Iterator[bytes]:
    """An object-detection StringIntLabelMap in protobuf's text format, an item at a time."""
    for label, number in number_labels(labels).items():
        yield f'item {{\n  id: {number}\n  name: "{label.translate(_ESCAPES)}"\n}}\n'.encode()


_ESCAPES = {code: f"\\{code:03o}" for code in (*range(32), 127)} | {ord('"'): '\\"', ord("\\"): "\\\\"}


def specification(options: Options) -> str:
    """The features of this export and their meaning, as JSON, a feature a line."""
    boxes = "fractions of the image's width and height, 0 to 1" if options.normalized else "pixels"
    listed = [f for f in FEATURES if options.include_images or f.name not in _IMAGE_FEATURES]
    lines = ",\n".join(f"    {_json(feature._asdict())}" for feature in listed)
    return f'{{\n  "format": "ViTfrecord",\n  "boxes": {_json(boxes)},\n  "features": [\n{lines}\n  ]\n}}\n'


def preview(record: Record, options: Options) -> str:
    """The features of `record` as JSON, a feature a line; of an image only the size is told.

    Where `options` know no labels, their numbers are left out rather than shown wrong.
    """
    filled = columns(record, number_labels(options.labels))
    if record.image is not None:
        filled["image/encoded"] = (f"({len(record.image)} bytes)".encode(),)
    lines = [
        f"  {_json(feature.name)}: {_readable(filled[feature.name], feature)}"
        for feature in FEATURES
        if filled.get(feature.name) and (options.labels or not feature.name.endswith("/label"))
    ]
    return "{\n" + ",\n".join(lines) + "\n}"


def _readable(values: Sequence[bytes] | Sequence[float], feature: Feature) -> str:
    texts = [value.decode() if isinstance(value, bytes) else value for value in values]
    return _json(texts[0] if feature.values == "one" else texts)


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
