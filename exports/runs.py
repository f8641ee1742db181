"""Parts cut into runs: stretches that are written one after the other, or by several workers at once. Pure.

Where the cuts are depends on the dataset and the options alone, never on who writes: same runs, same bytes.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class RunPlan:
    """The records of the part at `part` from `start` to before `stop`: the `number`th run `of` so many.

    It is of the records themselves, or, with `images`, of the images that go beside them. It has `image_bytes` of
    images either way, as far as they are asked for.
    """

    part: int
    number: int
    of: int
    start: int
    stop: int
    images: bool = False
    image_bytes: int = 0

    def __len__(self) -> int:
        return self.stop - self.start


def even(part: int, count: int, *, records_a_run: int) -> list[RunPlan]:
    """`count` records in runs of even length; at least one, maybe empty."""
    runs = max(1, -(-count // records_a_run))
    return _between(part, [count * number // runs for number in range(runs + 1)])


def weighed(part: int, sizes: Sequence[int], *, records_a_run: int, bytes_a_run: int) -> list[RunPlan]:
    """Records of `sizes` bytes in runs of even weight, a record weighing its share of a run's room.

    Both bounds hold at once, but for the size of the last record of each run.
    """

    def weight(records: int, size: int) -> int:
        return records * bytes_a_run + size * records_a_run

    planned = weight(len(sizes), sum(sizes))
    runs = max(1, -(-planned // (records_a_run * bytes_a_run)))
    cuts, dealt = array("q", [0]), 0
    for place, size in enumerate(sizes):
        while len(cuts) < runs and dealt * runs >= planned * len(cuts):
            cuts.append(place)
        dealt += weight(1, size)
    cuts.extend([len(sizes)] * (runs + 1 - len(cuts)))
    return [replace(run, image_bytes=sum(sizes[run.start : run.stop])) for run in _between(part, cuts)]


def _between(part: int, cuts: Sequence[int]) -> list[RunPlan]:
    return [RunPlan(part, number, len(cuts) - 1, *ends) for number, ends in enumerate(pairwise(cuts))]
