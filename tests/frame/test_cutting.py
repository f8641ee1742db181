"""Parts of an upload are what a store takes, and what they hold is the object: whatever it is made of."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vi_portal.s3 import cutting
from vi_portal.s3.cutting import Cutter, Given, Part, Stretch
from vi_portal.s3.failures import StoreFailed

OTHERS = {name: random.Random(name).randbytes(5_000) for name in ("one", "other")}
SMALLEST, LARGEST = 100, 1_000

stretches = st.builds(
    lambda name, start, size: Stretch(name, start, min(size, len(OTHERS[name]) - start)),
    st.sampled_from(sorted(OTHERS)),
    st.integers(0, 4_999),
    st.integers(1, 3_000),
)
given_bytes = st.binary(min_size=1, max_size=250).map(lambda content: Given(bytearray(content)))


@pytest.fixture(autouse=True, scope="module")
def small() -> object:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(cutting, "SMALLEST_PART", SMALLEST)
        patched.setattr(cutting, "USUAL_COPY", LARGEST)
        yield


def parts_of(pieces: list[Stretch | Given]) -> list[Part]:
    cutter = Cutter()
    parts = [part for piece in pieces for part in cutter.add(piece)]
    return [*parts, *cutter.rest()]


def read(pieces: list[Stretch | Given]) -> bytes:
    return b"".join(
        bytes(piece.content) if isinstance(piece, Given) else OTHERS[piece.name][piece.start : piece.stop]
        for piece in pieces
    )


@given(st.lists(st.one_of(stretches, given_bytes), max_size=30))
def test_parts_hold_what_was_given_in_order_and_only_the_last_is_small(pieces: list[Stretch | Given]) -> None:
    whole = read(pieces)
    parts = parts_of(pieces)
    assert b"".join(read(part.pieces) for part in parts) == whole
    assert [part.number for part in parts] == list(range(1, len(parts) + 1))
    assert all(part.size >= SMALLEST for part in parts[:-1])
    for part in parts:
        assert part.size == len(read(part.pieces)) <= LARGEST
        if not part.copied:
            assert part.size < SMALLEST + 250, "what is fetched and sent stays small"


@given(st.integers(1, 5_000), st.integers(1, 5_000))
def test_what_lies_side_by_side_is_copied_as_one(first: int, second: int) -> None:
    stop = min(first + second, 5_000)
    pieces: list[Stretch | Given] = [Stretch("one", 0, first), Stretch("one", first, stop - first)]
    parts = parts_of(pieces)
    assert all(part.copied for part in parts)
    assert len(parts) == -(-stop // LARGEST)


def test_what_is_large_is_copied_between_what_is_small() -> None:
    between = Given(bytearray(b"header"))
    parts = parts_of([between, Stretch("one", 0, 900), Given(bytearray(b"header")), Stretch("other", 0, 900)])
    assert [part.copied and part.copied.size for part in parts] == [None, 806, None, 806]
    assert [part.size for part in parts] == [100, 806, 100, 806]


def test_there_are_never_more_parts_than_a_store_takes() -> None:
    cutter, size = Cutter(), 0
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(cutting, "SMALLEST_PART", 5 * 2**20)
        patched.setattr(cutting, "USUAL_COPY", 128 * 2**20)
        parts = 0
        while size < 4 * 2**40:  # of bytes that no two fragments have side by side
            piece = Stretch(f"{size}", 0, 512 * 2**20)
            parts += sum(1 for _ in cutter.add(piece))
            size += piece.size
    assert parts < 10_000


def test_who_would_need_more_parts_than_a_store_takes_is_told_so_once() -> None:
    cutter, parts = Cutter(), list[Part]()

    def put_together() -> None:
        for number in range(20_000):
            parts.extend(cutter.add(Stretch(str(number), 0, cutting.SMALLEST_PART)))

    with pytest.raises(StoreFailed, match="Raise EXPORT_SHARD_RECORDS") as raised:
        put_together()
    assert len(parts) == 10_000
    assert raised.value.lasting
