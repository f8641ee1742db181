"""TFRecord exports, read back by the program that ships with them, in an environment that knows no project."""

from __future__ import annotations

import base64
import json
import struct
import subprocess
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import (  # type: ignore[import-untyped]
    descriptor_pb2,
    descriptor_pool,
    message_factory,
    text_format,
)

from datasets.contents import Contents, GroundedPhrase, Interaction, PhraseGrounding, Vqa, repair
from datasets.geometry import Box
from exports import runs
from exports.formats import vi_tfrecord, vi_tfrecord_features
from exports.formats.vi_tfrecord_features import FEATURES
from exports.records import AnnotationRecord, Member, Options, Record, Run, dump_annotations

GOLDEN = Path(__file__).parent / "golden"

#: Loads each export by its own reader, as a user would, and prints what it finds as one JSON document.
READ_BACK = """
import base64, contextlib, io, json, runpy, sys
def plain(tensor):
    value = tensor.numpy()
    value = value.tolist() if hasattr(value, "tolist") else value
    text = lambda item: base64.b64encode(item).decode() if isinstance(item, bytes) else item
    return [text(item) for item in value] if isinstance(value, list) else text(value)
found = {}
for folder in sys.argv[1:]:
    reader = runpy.run_path(folder + "/read_tfrecord.py")
    export = found[folder] = {"refused": {}, "batches": []}
    for split in (None, "train", "validation"):
        try:
            examples = [{k: plain(v) for k, v in e.items()} for e in reader["load"](folder, split)]
        except FileNotFoundError as error:
            export["refused"][split or "all"] = str(error)
        else:
            export[split or "all"] = examples
    if "all" in export:
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            reader["show"](reader["Path"](folder))
        export["printed"] = printed.getvalue()
        for batch in reader["load"](folder).ragged_batch(2):
            export["batches"].append(batch["image/object/bbox/xmin"].to_list())
assert not {"exports", "datasets", "django"} & set(sys.modules)
print(json.dumps(found))
"""


def options(*, labels: tuple[str, ...] = (), **changes: Any) -> Options:
    fields: dict[str, Any] = {
        "normalized": False,
        "include_images": False,
        "labels": labels,
    }
    return Options(**fields | changes)


def run_of(records: Iterable[Record], *, folder: str = "") -> Run:
    return Run(folder, 0, 1, records)


def record(number: int, *contents: Contents, **changes: Any) -> Record:
    name = f"line_{number:02}.jpg"
    annotations = tuple(
        AnnotationRecord(f"annotation-{number}-{n}", None if n % 2 else "défaut", parsed)
        for n, parsed in enumerate(contents)
    )
    texts = dump_annotations(annotations), annotations
    return Record(f"asset-{number}", name, name, 1000 + number, 800, *texts, "image/jpeg")._replace(**changes)


def phrase(text: str, *boxes: Box, **fields: Any) -> GroundedPhrase:
    places = {"start_token_index": 1, "end_token_index": 2, "char_span": (2, 2 + len(text))}
    return GroundedPhrase(phrase=text, bounds=list(boxes), **places | fields)  # type: ignore[arg-type]


VALVES = [
    record(
        0,
        PhraseGrounding("A red valve", [phrase("red valve", (230.4, 324, 537.6, 594), (0, 0, 1000, 800))]),
        PhraseGrounding("No box, no place", [phrase("box", start_token_index=-1, end_token_index=-1, char_span=None)]),
        PhraseGrounding("Nothing grounded", []),
    ),
    record(
        1,
        PhraseGrounding("A 赤いバルブ 🔧", [phrase("赤いバルブ", (0.1, 0.2, 0.3, 0.4)), phrase("🔧", (5, 6, 7.5, 8))]),
        filename="名前_2.jpg",
        original_filename="../名前.jpg",
    ),
    record(2, PhraseGrounding("", [])),
]
QUESTIONS = [
    record(
        0,
        Vqa([Interaction(1, "Is it open?", "No"), Interaction(2, "Ist es groß?", "Ja ✓")]),
        Vqa([]),
        Vqa([Interaction(1, "And now?", "No")]),
    ),
    record(1, Vqa([Interaction(1, "", "")])),
]
LABELS = ("box", "red valve", "赤いバルブ", "🔧")
PICTURES = [
    VALVES[0]._replace(image=b"\xff\xd8 a jpeg \x00\xff"),
    VALVES[1]._replace(image=None),
    VALVES[2]._replace(image=b"\x89PNG", mime_type="image/png"),
]


def unpack(folder: Path, members: Iterable[Member]) -> None:
    """Write members as the archive would: each used up before the next is asked for."""
    for member in members:
        path = folder / member.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"".join(map(bytes, member.chunks)))


def unpack_export(folder: Path, asked: Options, *runs: Run) -> None:
    unpack(folder, vi_tfrecord.companions(asked))
    for run in runs:
        unpack(folder, vi_tfrecord.encode(run, asked))


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Several exports, each as its own reader reads it back in another process."""
    root = tmp_path_factory.mktemp("exports")
    grounding = options(labels=LABELS)
    unpack_export(root / "pixels", grounding, run_of(VALVES))
    unpack_export(
        root / "parts", grounding, run_of(VALVES[:2], folder="train"), run_of(VALVES[2:], folder="validation")
    )
    unpack_export(root / "images", options(include_images=True), run_of(PICTURES))
    unpack_export(root / "questions", options(labels=("", "Ja ✓", "No")), run_of(QUESTIONS))
    unpack_export(root / "nothing", grounding, run_of([]))
    cuts = runs.even(0, 10, records_a_run=3)
    several = [
        Run("", cut.number, cut.of, [record(n, PhraseGrounding("", [])) for n in range(cut.start, cut.stop)])
        for cut in cuts
    ]
    unpack_export(root / "many", grounding, *several)
    unpack_export(root / "torn", grounding, *several)
    (root / "torn" / "annotations-00001-of-00004.tfrecord").unlink()
    folders = [str(path) for path in sorted(root.iterdir())]
    done = subprocess.run(
        [sys.executable, "-I", "-c", READ_BACK, *folders], capture_output=True, text=True, check=False, cwd=root
    )
    assert done.returncode == 0, done.stderr
    return {Path(folder).name: found for folder, found in json.loads(done.stdout.splitlines()[-1]).items()}


def text(encoded: str) -> str:
    return base64.b64decode(encoded).decode()


def float32(*numbers: float) -> tuple[float, ...]:
    return struct.unpack(f"{len(numbers)}f", struct.pack(f"{len(numbers)}f", *numbers))


def grounding_in(example: dict[str, Any]) -> list[Any]:
    """The annotations of an example: id, category, caption, and each phrase with its spans and boxes."""
    boxes = iter(zip(*(example[f"image/object/bbox/{edge}"] for edge in ("xmin", "ymin", "xmax", "ymax")), strict=True))
    columns = ("text", "annotation", "char_start", "char_end", "token_start", "token_end", "box_count")
    phrases: list[list[Any]] = [[] for _ in example["annotation/id"]]
    for words, owner, *places, count in zip(*(example[f"phrase/{column}"] for column in columns), strict=True):
        phrases[owner].append((text(words), *places, list(islice(boxes, count))))
    assert not list(boxes)
    heads = ([text(value) for value in example[f"annotation/{part}"]] for part in ("id", "category", "caption"))
    return list(zip(*heads, phrases, strict=True))


def grounding_of(record: Record) -> list[Any]:
    return [
        (
            annotation.id,
            annotation.category or "",
            annotation.contents.caption,
            [
                (
                    phrase.phrase,
                    *(phrase.char_span or (-1, -1)),
                    phrase.start_token_index,
                    phrase.end_token_index,
                    [float32(*box) for box in phrase.bounds],
                )
                for phrase in annotation.contents.grounded_phrases
            ],
        )
        for annotation in record.parsed
        if isinstance(annotation.contents, PhraseGrounding)
    ]


# What the shipped reader finds


def test_annotations_read_back_as_they_were(exports: dict[str, Any]) -> None:
    assert [grounding_in(example) for example in exports["pixels"]["all"]] == list(map(grounding_of, VALVES))


def test_the_asset_is_named_and_measured(exports: dict[str, Any]) -> None:
    first, second, _ = exports["pixels"]["all"]
    assert (text(first["image/source_id"]), text(first["image/filename"])) == ("asset-0", "line_00.jpg")
    assert (first["image/width"], first["image/height"]) == (1000, 800)
    assert text(first["image/original_filename"]) == ""
    assert text(second["image/filename"]) == "名前_2.jpg"
    assert text(second["image/original_filename"]) == "../名前.jpg"


def test_every_box_says_its_phrase_number_and_annotation(exports: dict[str, Any]) -> None:
    first, second, third = exports["pixels"]["all"]
    assert [text(name) for name in first["image/object/class/text"]] == ["red valve", "red valve"]
    assert first["image/object/class/label"] == [2, 2]
    assert first["image/object/annotation"] == [0, 0]
    assert [text(name) for name in second["image/object/class/text"]] == ["赤いバルブ", "🔧"]
    assert second["image/object/class/label"] == [3, 4]
    assert third["image/object/class/label"] == []


@pytest.mark.parametrize("sliver", [(4000.0001, 0, 4000.0002, 9), (0, 49999.999, 9, 50000)])
def test_a_box_too_thin_for_float32_is_left_out_beforehand(sliver: Box) -> None:
    kept, flaws = repair(PhraseGrounding("", [phrase("dust", sliver, (1, 1, 2, 2))]), width=50000, height=50000)
    assert isinstance(kept, PhraseGrounding)
    assert [flaw.kind for flaw in flaws] == ["degenerate"]
    assert kept.grounded_phrases[0].bounds == [(1, 1, 2, 2)]


def test_questions_and_answers_read_back(exports: dict[str, Any]) -> None:
    talk, silent = exports["questions"]["all"]
    assert [text(question) for question in talk["vqa/question"]] == ["Is it open?", "Ist es groß?", "And now?"]
    assert [text(answer) for answer in talk["vqa/answer"]] == ["No", "Ja ✓", "No"]
    assert talk["vqa/answer/label"] == [3, 2, 3]
    assert talk["vqa/order"] == [1, 2, 1]
    assert talk["vqa/annotation"] == [0, 0, 2]
    assert len(talk["annotation/id"]) == 3
    assert (silent["vqa/question"], silent["vqa/answer/label"]) == ([""], [1])


def test_a_part_can_be_loaded_alone_and_all_of_them_together(exports: dict[str, Any]) -> None:
    parts = exports["parts"]
    ids = {
        part: [text(example["image/source_id"]) for example in parts[part]] for part in ("train", "validation", "all")
    }
    assert ids == {"train": ["asset-0", "asset-1"], "validation": ["asset-2"], "all": ["asset-0", "asset-1", "asset-2"]}


def test_images_are_inside_byte_for_byte(exports: dict[str, Any]) -> None:
    found = [(text(e["image/format"]), base64.b64decode(e["image/encoded"])) for e in exports["images"]["all"]]
    assert found == [("jpeg", b"\xff\xd8 a jpeg \x00\xff"), ("", b""), ("png", b"\x89PNG")]
    assert "image/encoded" not in exports["pixels"]["all"][0]


def test_shards_are_read_in_order_as_one(exports: dict[str, Any]) -> None:
    ids = [text(example["image/source_id"]) for example in exports["many"]["all"]]
    assert ids == [f"asset-{n}" for n in range(10)]


def test_a_missing_shard_is_named_not_passed_over(exports: dict[str, Any]) -> None:
    assert "3 of 4 shards" in exports["torn"]["refused"]["all"]


def test_a_part_that_is_not_there_is_refused(exports: dict[str, Any]) -> None:
    assert "no annotations-*.tfrecord files" in exports["pixels"]["refused"]["train"]


def test_an_empty_export_has_no_examples(exports: dict[str, Any]) -> None:
    assert exports["nothing"]["all"] == []


def test_examples_batch_as_ragged_tensors(exports: dict[str, Any]) -> None:
    one, two, three = ([float32(*edges)[0] for edges in xs] for xs in ([(230.4,), (0,)], [(0.1,), (5,)], []))
    assert exports["pixels"]["batches"] == [[one, two], [three]]


def test_the_reader_shows_the_first_examples_and_the_totals(exports: dict[str, Any]) -> None:
    assert "phrase/text: ['赤いバルブ', '🔧']" in exports["pixels"]["printed"]
    assert "all: 3 examples, 5 annotations, 4 boxes, 0 questions" in exports["pixels"]["printed"]
    assert "train: 2 examples, 4 annotations, 4 boxes, 0 questions" in exports["parts"]["printed"]
    assert "image/encoded: 12 bytes" in exports["images"]["printed"]


# Shards


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


# Companions and preview


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
