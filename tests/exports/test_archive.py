"""The zip is read by readers we did not write: the standard library and Info-ZIP."""

from __future__ import annotations

import io
import os
import subprocess
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from isal import isal_zlib

from exports import reading_back
from exports.archive import ArchiveWriter, UnexpectedBytes, Written, write_piece
from exports.records import Chunk, Expected, Member
from tests.exports.zips import TEXT, write

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


def unzip_says_it_is_sound(path: Path) -> bool:
    return subprocess.run(["unzip", "-tqq", str(path)], capture_output=True, check=False).returncode == 0


def test_members_read_back(tmp_path: Path) -> None:
    image = os.urandom(3_000_000)
    path = write(
        tmp_path / "a.zip",
        Member("train/annotations.jsonl", [TEXT, b"", TEXT]),
        Member("train/images/été 工場 🌊.jpg", [image[:1000], image[1000:]], compressed=False),
        Member("empty", []),
    )
    with zipfile.ZipFile(path) as opened:
        assert opened.testzip() is None
        assert opened.namelist() == ["train/annotations.jsonl", "train/images/été 工場 🌊.jpg", "empty"]
        assert opened.read("train/annotations.jsonl") == TEXT * 2
        assert opened.read("train/images/été 工場 🌊.jpg") == image
        text, picture, _ = opened.infolist()
        assert text.compress_type == zipfile.ZIP_DEFLATED
        assert text.compress_size < text.file_size / 20
        assert picture.compress_type == zipfile.ZIP_STORED
    assert unzip_says_it_is_sound(path)


def test_what_was_written_is_told(tmp_path: Path) -> None:
    writer = ArchiveWriter(tmp_path / "a.zip")
    written = writer.add(Member("a", [TEXT]))
    writer.close()
    assert written == Written("a", len(TEXT), zlib.crc32(TEXT), "")


def test_same_members_same_bytes(tmp_path: Path) -> None:
    first = write(tmp_path / "a.zip", Member("a", [TEXT]), Member("b", [b"x"], compressed=False))
    again = write(tmp_path / "b.zip", Member("a", [TEXT]), Member("b", [b"x"], compressed=False))
    assert first.read_bytes() == again.read_bytes()


def test_a_member_with_other_bytes_than_expected_is_left_out(tmp_path: Path) -> None:
    writer = ArchiveWriter(tmp_path / "a.zip")
    writer.add(Member("before", [b"1"], compressed=False))
    for compressed in (False, True):
        with pytest.raises(UnexpectedBytes, match=r"photo\.jpg"):
            writer.add(Member("photo.jpg", [TEXT], compressed, Expected(len(TEXT), 0, "")))
    writer.add(Member("after", [b"2"], False, Expected(1, zlib.crc32(b"2"), "the hash it came with")))
    writer.close()
    with zipfile.ZipFile(tmp_path / "a.zip") as opened:
        assert opened.namelist() == ["before", "after"]
        assert opened.testzip() is None
    assert unzip_says_it_is_sound(tmp_path / "a.zip")


def test_a_member_that_breaks_off_is_left_out(tmp_path: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield TEXT
        raise OSError("the disk went away")

    writer = ArchiveWriter(tmp_path / "a.zip")
    writer.add(Member("before", [b"1"]))
    with pytest.raises(OSError, match="went away"):
        writer.add(Member("broken", broken()))
    writer.close()
    assert zipfile.ZipFile(tmp_path / "a.zip").namelist() == ["before"]
    assert reading_back.check(tmp_path / "a.zip").members == 1


def test_more_members_than_a_plain_zip_can_count(tmp_path: Path) -> None:
    writer = ArchiveWriter(tmp_path / "a.zip")
    for number in range(65_600):
        writer.add(Member(f"{number}", [b"x"], compressed=False, expected=Expected(1, zlib.crc32(b"x"), "")))
    writer.close()
    assert len(zipfile.ZipFile(tmp_path / "a.zip").infolist()) == 65_600
    assert reading_back.check(tmp_path / "a.zip").members == 65_600


ZEROS = bytes(16 * 2**20)
BEYOND_4_GIB = 257


class SparseFile(io.FileIO):
    """A file whose long runs of zeros are holes: what it holds takes no room on the disk, and no time to get there."""

    def write(self, content: ReadableBuffer) -> int:
        size = memoryview(content).nbytes
        if size < 2**16 or not ZEROS.startswith(content):
            return super().write(content)
        self.seek(size, os.SEEK_CUR)
        return size


class SparsePath(type(Path())):  # type: ignore[misc]
    """A path at which `open` makes a `SparseFile`."""

    def open(self, mode: str, buffering: int) -> io.BufferedWriter:
        return io.BufferedWriter(SparseFile(self, mode), buffering)


def zeros(name: str, *, compressed: bool) -> Member:
    """A member of more than 4 GiB. Its size and checksum are known beforehand, so that it need not be hashed."""
    crc, of_a_chunk = 0, isal_zlib.crc32(ZEROS)
    for _ in range(BEYOND_4_GIB):
        crc = isal_zlib.crc32_combine(crc, of_a_chunk, len(ZEROS))
    expected = Expected(BEYOND_4_GIB * len(ZEROS), crc, "")
    return Member(name, (ZEROS for _ in range(BEYOND_4_GIB)), compressed, expected)


def test_a_deflated_member_beyond_4_gib(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zip", zeros("deflated", compressed=True))
    [entry] = zipfile.ZipFile(path).infolist()
    assert entry.file_size == BEYOND_4_GIB * len(ZEROS) > 2**32
    assert reading_back.check(path).members == 1


def test_an_archive_and_a_stored_member_beyond_4_gib(tmp_path: Path) -> None:
    path = SparsePath(tmp_path / "a.zip")
    write(path, zeros("large", compressed=False), Member("after", [b"behind 4 GiB"], compressed=False))
    with zipfile.ZipFile(path) as opened:
        first, second = opened.infolist()
        assert first.file_size == BEYOND_4_GIB * len(ZEROS)
        assert second.header_offset > 2**32
        assert opened.read("after") == b"behind 4 GiB"


# Members in pieces


def test_a_member_in_pieces_reads_as_one(tmp_path: Path) -> None:
    writer = ArchiveWriter(tmp_path / "a.zip")
    assert writer.add(Member("a", [TEXT], more=True)) is None
    assert writer.add(Member("a", [], more=True)) is None
    written = writer.add(Member("a", [b"the end"]))
    writer.add(Member("b", [b"x"]))
    writer.close()
    whole = TEXT + b"the end"
    assert written == Written("a", len(whole), zlib.crc32(whole), "")
    with zipfile.ZipFile(tmp_path / "a.zip") as found:
        assert (found.read("a"), found.read("b")) == (whole, b"x")
    reading_back.check(tmp_path / "a.zip")
    assert unzip_says_it_is_sound(tmp_path / "a.zip")


def test_pieces_made_elsewhere_give_the_same_bytes(tmp_path: Path) -> None:
    members = [Member("a", [TEXT], more=True), Member("a", [b"the end"]), Member("b", [b"x"], compressed=False)]
    write(tmp_path / "here.zip", *members)
    writer = ArchiveWriter(tmp_path / "elsewhere.zip")
    for member in members:
        stored: list[Chunk] = []
        writer.append(write_piece(member, stored.append), stored)
    writer.close()
    assert (tmp_path / "elsewhere.zip").read_bytes() == (tmp_path / "here.zip").read_bytes()


def test_a_piece_that_breaks_can_be_tried_again(tmp_path: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield b"half"
        raise OSError("gone")

    writer = ArchiveWriter(tmp_path / "a.zip")
    writer.add(Member("a", [b"one "], more=True))
    with pytest.raises(OSError, match="gone"):
        writer.add(Member("a", broken()))
    writer.add(Member("a", [b"two"]))
    writer.close()
    with zipfile.ZipFile(tmp_path / "a.zip") as found:
        assert found.read("a") == b"one two"


def test_an_incomplete_member_is_not_passed_over(tmp_path: Path) -> None:
    writer = ArchiveWriter(tmp_path / "a.zip")
    writer.add(Member("a", [TEXT], more=True))
    with pytest.raises(ValueError, match="a is not complete"):
        writer.add(Member("b", [b"x"]))
    with pytest.raises(ValueError, match="a is not complete"):
        writer.close()
    writer.discard()
