"""What comes with the shards of TFRecord exports, and the preview: the labels and the features."""

from __future__ import annotations

import json
from typing import Any

from google.protobuf import (  # type: ignore[import-untyped]  # it has no types
    descriptor_pb2,
    descriptor_pool,
    message_factory,
    text_format,
)

from exports.formats import vi_tfrecord
from exports.formats.vi_tfrecord_features import FEATURES
from exports.records import Options
from tests.exports.formats.tfrecords import GOLDEN, LABELS, PICTURES, VALVES, options


def companion(name: str, asked: Options) -> str:
    [member] = [member for member in vi_tfrecord.companions(asked) if member.name == name]
    return b"".join(map(bytes, member.chunks)).decode()


ODD_LABELS = ("", 'a "quoted" \\ name', "line\nfeed\ttab\x7f", "{brace: 'x'} # no comment", "赤いバルブ 🔧")


def test_the_label_map_is_as_it_always_was() -> None:
    found = companion("label_map.pbtxt", options(labels=ODD_LABELS))
    assert found == (GOLDEN / "label_map.pbtxt").read_text()


def test_the_label_map_is_a_string_int_label_map() -> None:
    written = companion("label_map.pbtxt", options(labels=ODD_LABELS))
    label_map = text_format.Parse(written, string_int_label_map())
    assert [(item.id, item.name) for item in label_map.item] == list(enumerate(ODD_LABELS, start=1))


def string_int_label_map() -> Any:
    """An empty message of the Object Detection API's StringIntLabelMap, its two fields that matter here."""
    file = descriptor_pb2.FileDescriptorProto(name="label_map.proto", package="object_detection.protos")
    item = file.message_type.add(name="StringIntLabelMapItem")
    item.field.add(name="name", number=1, type="TYPE_STRING", label="LABEL_OPTIONAL")
    item.field.add(name="id", number=2, type="TYPE_INT32", label="LABEL_OPTIONAL")
    items = file.message_type.add(name="StringIntLabelMap").field
    type_name = ".object_detection.protos.StringIntLabelMapItem"
    items.add(name="item", number=1, type="TYPE_MESSAGE", type_name=type_name, label="LABEL_REPEATED")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    found = pool.FindMessageTypeByName("object_detection.protos.StringIntLabelMap")
    return message_factory.GetMessageClass(found)()


def test_the_feature_specification_is_as_it_always_was() -> None:
    found = companion("features.json", options(include_images=True))
    assert found == (GOLDEN / "features.json").read_text()


def test_the_feature_specification_tells_the_unit_and_only_what_is_there() -> None:
    pixels = json.loads(companion("features.json", options()))
    fractions = json.loads(companion("features.json", options(normalized=True)))
    assert pixels["boxes"] == "pixels"
    assert fractions["boxes"].startswith("fractions")
    left_out = {feature.name for feature in FEATURES} - {feature["name"] for feature in pixels["features"]}
    assert left_out == {"image/format", "image/encoded"}


def test_the_preview_is_json_in_the_order_of_the_table() -> None:
    shown = json.loads(vi_tfrecord.preview(VALVES[1], options(labels=LABELS)))
    assert shown["image/filename"] == "名前_2.jpg"
    assert shown["phrase/text"] == ["赤いバルブ", "🔧"]
    assert shown["image/object/bbox/xmin"] == [0.1, 5]
    assert shown["image/object/class/label"] == [3, 4]
    assert list(shown) == [feature.name for feature in FEATURES if feature.name in shown]


def test_the_preview_shows_no_numbers_for_labels_it_does_not_know() -> None:
    shown = json.loads(vi_tfrecord.preview(VALVES[1], options()))
    assert "image/object/class/label" not in shown
    assert shown["image/object/class/text"] == ["赤いバルブ", "🔧"]


def test_the_preview_counts_the_bytes_of_an_image() -> None:
    shown = json.loads(vi_tfrecord.preview(PICTURES[0], options(include_images=True)))
    assert shown["image/encoded"] == "(12 bytes)"
