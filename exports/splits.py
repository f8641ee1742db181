"""Which record goes to which part. Pure: ids in, parts out.

Every asset has a rank that depends on nothing but the seed and its own public id; the lowest ranks go to
validation. So a seed gives the same split on any machine, in any order, and a dataset that grew a little is split
nearly as before.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal
from hashlib import blake2b
from operator import itemgetter

TRAIN, VALIDATION = "train", "validation"
_BUCKET_BITS = 16


@dataclass(frozen=True, slots=True)
class Part:
    """A part's name (empty where the export is not split) and the row ids of its assets, ascending."""

    name: str
    ids: array[int] = field(default_factory=lambda: array("q"))


def validation_size(count: int, ratio: Decimal) -> int:
    """How many of `count` records go to validation: the nearest whole number, ties to even.

    A ratio strictly between 0 and 1 leaves no part empty when there are two records or more.
    """
    size = int((count * ratio).to_integral_value(ROUND_HALF_EVEN))
    if 0 < ratio < 1 and count >= 2:
        size = min(max(size, 1), count - 1)
    return size


def whole(assets: Iterable[tuple[int, str]]) -> list[Part]:
    """One part with everything. `assets` are (row id, public id), by row id."""
    return [Part("", array("q", map(itemgetter(0), assets)))]


def partition(assets: Iterable[tuple[int, str]], *, ratio: Decimal, seed: int) -> list[Part]:
    """A train part and a validation part that holds `ratio` of the assets, always in this order.

    `assets` are (row id, public id), by row id. Needs 24 bytes of memory an asset.
    """
    key = str(seed).encode()
    ids, ranks = array("q"), array("Q")
    for pk, uid in assets:
        ids.append(pk)
        ranks.append(int.from_bytes(blake2b(uid.encode(), digest_size=8, key=key).digest(), "big"))
    train, validation = Part(TRAIN), Part(VALIDATION)
    size = validation_size(len(ids), ratio)
    limit, ties = _nth_smallest(ranks, size)
    for pk, rank in zip(ids, ranks, strict=True):
        if rank < limit:
            validation.ids.append(pk)
        elif rank == limit and ties:
            ties -= 1
            validation.ids.append(pk)
        else:
            train.ids.append(pk)
    return [train, validation]


def _nth_smallest(ranks: array[int], n: int) -> tuple[int, int]:
    """The n-th smallest rank, and how many of the ranks equal to it are among the n smallest."""
    if n == 0:
        return 0, 0
    shift = 64 - _BUCKET_BITS
    buckets = array("q", bytes(8 << _BUCKET_BITS))
    for rank in ranks:
        buckets[rank >> shift] += 1
    below = bucket = 0
    while below + buckets[bucket] < n:
        below += buckets[bucket]
        bucket += 1
    candidates = sorted(rank for rank in ranks if rank >> shift == bucket)
    limit = candidates[n - below - 1]
    return limit, n - below - candidates.index(limit)
