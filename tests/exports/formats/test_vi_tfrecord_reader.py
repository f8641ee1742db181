"""TFRecord exports, read back by the program that ships with them, in an environment that knows no project."""

from __future__ import annotations

import base64
import json
import struct
import subprocess
import sys
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from datasets.contents import PhraseGrounding
from exports import runs
from exports.formats import vi_tfrecord
from exports.records import Member, Options, Record, Run
from tests.exports.formats.tfrecords import LABELS, PICTURES, QUESTIONS, VALVES, options, record, run_of

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
