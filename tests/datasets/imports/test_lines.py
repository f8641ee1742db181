"""Annotation files in every state of repair, line by line."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import pytest

from datasets.imports import lines
from datasets.imports.fields import Unreadable
from datasets.imports.lines import Line, read_lines


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "annotations.jsonl"


def read(file: Path, content: bytes) -> list[Line]:
    file.write_bytes(content)
    return list(read_lines(file))


def test_marks_line_ends_and_blank_lines_do_not_matter(file: Path) -> None:
    found = read(file, b'\xef\xbb\xbf{"a":1}\r\n\r\n  \t\n {"a":2} \n{"a":3}')
    assert [(line.number, line.value) for line in found] == [(1, {"a": 1}), (4, {"a": 2}), (5, {"a": 3})]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b'{"a":', "not valid JSON"),
        (b'{"a":1} {"a":2}', "not valid JSON"),
        (b'{"a":NaN}', "not valid JSON"),
        (b'{"a":-Infinity}', "not valid JSON"),
        (b'{"a":1e400}', "not valid JSON"),
        (b'{"a":"\xff"}', "not UTF-8"),
        (b'{"a":"\xed\xa0\x80"}', "not UTF-8"),
        (b'{"a":"\\ud800"}', "not valid JSON"),
        (b'{"a":"\\udc00 and more"}', "not valid JSON"),
        (b"[" * 200_000 + b"]" * 200_000, "nested too deeply"),
        (b'{"a":"' + b"x" * 8 * 2**20 + b'"}', "longer than 8 MiB"),
    ],
)
def test_a_bad_line_is_told_and_the_next_one_read(file: Path, text: bytes, reason: str) -> None:
    bad, good = read(file, text + b'\n{"a":2}\n')
    assert isinstance(bad.value, Unreadable)
    assert reason in str(bad.value)
    assert (bad.number, good.number, good.value) == (1, 2, {"a": 2})


def test_the_bytes_of_all_lines_add_up_to_the_file(file: Path) -> None:
    content = b'{"a":1}\n' + b"x" * (lines.MAX_LINE_BYTES * 2) + b'\n{"a":2}'
    assert sum(line.size for line in read(file, content)) == len(content)


def test_memory_does_not_grow_with_a_line_without_end(file: Path) -> None:
    with file.open("wb") as stream:
        for _ in range(64):
            stream.write(b"x" * 2**20)
    tracemalloc.start()
    [line] = read_lines(file)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert isinstance(line.value, Unreadable)
    assert peak < 4 * lines.MAX_LINE_BYTES


@pytest.mark.parametrize("indent", [None, 2])
def test_a_json_file_may_be_one_list_or_one_record(tmp_path: Path, indent: int | None) -> None:
    file = tmp_path / "annotations.json"
    found = read(file, json.dumps([{"a": 1}, {"a": 2}], indent=indent).encode())
    assert [(line.number, line.value) for line in found] == [(1, {"a": 1}), (2, {"a": 2})]
    assert [line.value for line in read(file, json.dumps({"a": 1}, indent=indent).encode())] == [{"a": 1}]


def test_a_json_file_may_hold_lines_too(tmp_path: Path) -> None:
    assert [line.number for line in read(tmp_path / "annotations.json", b'{"a":1}\n{"a":2}\n')] == [1, 2]


def test_utf_16_is_told_once(file: Path) -> None:
    [line] = read(file, '{"a":1}\n{"a":2}\n'.encode("utf-16"))
    assert "UTF-16" in str(line.value)


def test_an_empty_file_has_no_lines(file: Path) -> None:
    assert read(file, b"") == read(file, b"\xef\xbb\xbf") == read(file, b"\n\n") == []
