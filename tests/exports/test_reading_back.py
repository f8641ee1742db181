"""An archive that is not what was written is found out before anybody gets it."""

from __future__ import annotations

import hashlib
import io
import random
from dataclasses import replace
from pathlib import Path

import pytest

from exports import reading_back
from exports.archive import ArchiveWriter, write_piece
from exports.reading_back import DamagedArchive
from exports.records import Member
from exports.zip_layout import Piece
from tests.exports.zips import TEXT, write


def test_check_tells_size_and_hash(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zip", Member("a", [TEXT]), Member("b", [TEXT], compressed=False))
    heard: list[int] = []
    checked = reading_back.check(path, on_bytes=heard.append)
    assert checked.size == path.stat().st_size == sum(heard)
    assert checked.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert checked.members == 2


@pytest.mark.parametrize("compressed", [True, False])
def test_check_tells_of_a_large_member_while_it_is_read(tmp_path: Path, compressed: bool) -> None:
    large = Member("a", [random.Random(7).randbytes(2**20) for _ in range(5)], compressed=compressed)
    path = write(tmp_path / "a.zip", large)
    heard: list[int] = []
    checked = reading_back.check(path, on_bytes=heard.append)
    assert checked.size == sum(heard)
    assert max(heard) <= 2**20


@pytest.mark.parametrize("size", [2**20 - 1, 2**20, 2**20 + 1, 2**20 + 40, 2**20 + 300, 2**21 + 7])
@pytest.mark.parametrize("text", [bytes(1), b'{"asset_id":"1"}\n', hashlib.sha512(b"seed").hexdigest().encode()])
def test_check_reads_a_member_to_its_last_byte_whatever_its_size(tmp_path: Path, text: bytes, size: int) -> None:
    path = write(tmp_path / "a.zip", Member("a", [(text * (size // len(text) + 1))[:size]]))
    assert reading_back.check(path).members == 1


def test_check_finds_members_that_the_end_record_does_not_count(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zip", Member("a", [TEXT]), Member("b", [TEXT]))
    content = bytearray(path.read_bytes())
    content[-14:-10] = b"\1\0\1\0"
    path.write_bytes(content)
    with pytest.raises(DamagedArchive, match="central directory"):
        reading_back.check(path)


@pytest.mark.parametrize("place", [0.001, 0.2, 0.5, 0.9, 0.999])
def test_check_finds_a_flipped_bit_anywhere(tmp_path: Path, place: float) -> None:
    noise = hashlib.sha512(b"seed").digest() * 4000
    path = write(tmp_path / "a.zip", Member("a", [noise], compressed=False), Member("b", [TEXT]))
    content = bytearray(path.read_bytes())
    content[int(len(content) * place)] ^= 0x10
    path.write_bytes(content)
    with pytest.raises(DamagedArchive):
        reading_back.check(path)


@pytest.mark.parametrize("keep", [0, 10, 1000, -1, -30])
def test_check_finds_a_cut_file(tmp_path: Path, keep: int) -> None:
    path = write(tmp_path / "a.zip", Member("a", [TEXT], compressed=False))
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DamagedArchive):
        reading_back.check(path)


def pieces_of(path: Path, *members: Member) -> list[Piece]:
    with path.open("wb") as file:
        return [write_piece(member, file.write) for member in members]


def assembled(path: Path, pieces: list[Piece], stored: bytes) -> dict[str, int]:
    writer, rest = ArchiveWriter(path), io.BytesIO(stored)
    for piece in pieces:
        writer.append(piece, [rest.read(piece.stored)])
    writer.close()
    return writer.checked


def test_what_was_checked_piece_by_piece_is_compared_as_it_is_stored(tmp_path: Path) -> None:
    members = [Member("a", [TEXT], more=True), Member("a", [TEXT]), Member("b", [TEXT]), Member("c", [], more=True)]
    pieces = pieces_of(tmp_path / "pieces", *members, Member("c", [b"!"], compressed=True))
    with (tmp_path / "pieces").open("rb") as file:
        pieces = [reading_back.check_piece(file, piece) for piece in pieces]
    pieces[2] = replace(pieces[2], checked=False)
    stored = (tmp_path / "pieces").read_bytes()
    checked = assembled(tmp_path / "a.zip", pieces, stored)
    assert list(checked) == ["a", "c"]
    assert reading_back.check(tmp_path / "a.zip", checked=checked) == reading_back.check(tmp_path / "a.zip")
    for place in range(0, len(stored), len(stored) // 50):
        damaged = bytearray(stored)
        damaged[place] ^= 0x10
        assembled(tmp_path / "b.zip", pieces, bytes(damaged))
        with pytest.raises(DamagedArchive):
            reading_back.check(tmp_path / "b.zip", checked=checked)


@pytest.mark.parametrize("more", [True, False])
def test_a_damaged_piece_is_found(tmp_path: Path, more: bool) -> None:
    path = tmp_path / "piece"
    [piece] = pieces_of(path, Member("a", [TEXT], more=more))
    stored = path.read_bytes()

    def is_sound(found: bytes, piece: Piece = piece) -> bool:
        path.write_bytes(found)
        try:
            with path.open("rb") as file:
                return reading_back.check_piece(file, replace(piece, stored=len(found))).checked
        except DamagedArchive:
            return False

    assert is_sound(stored)
    assert not any(is_sound(stored[:cut]) for cut in (0, 1, len(stored) // 2, len(stored) - 1))
    assert not is_sound(stored, replace(piece, crc=piece.crc ^ 1))
    assert not is_sound(stored, replace(piece, size=piece.size - 1))
    # One that ends the stream cannot be followed by another, nor can one that leaves it open be the last.
    assert not is_sound(stored, replace(piece, more=not more))
