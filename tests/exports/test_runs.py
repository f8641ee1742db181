"""Runs: every record in exactly one, in order, and none larger than it may be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exports import runs
from exports.runs import RunPlan


def covered(found: list[RunPlan]) -> list[int]:
    assert [run.number for run in found] == list(range(len(found)))
    assert {run.of for run in found} == {len(found)}
    return [place for run in found for place in range(run.start, run.stop)]


@pytest.mark.parametrize(("count", "expected"), [(0, 1), (1, 1), (3, 1), (4, 2), (10, 4), (12, 4)])
def test_even_runs_are_as_few_as_the_bound_allows(count: int, expected: int) -> None:
    found = runs.even(0, count, records_a_run=3)
    assert len(found) == expected
    assert covered(found) == list(range(count))
    assert max(map(len, found)) <= 3
    assert max(map(len, found)) - min(map(len, found)) <= 1


@given(sizes=st.lists(st.integers(0, 2_000), max_size=60), limit=st.integers(1, 20))
def test_weighed_runs_hold_both_bounds_but_for_their_last_record(sizes: list[int], limit: int) -> None:
    found = runs.weighed(0, sizes, records_a_run=limit, bytes_a_run=1_000)
    assert covered(found) == list(range(len(sizes)))
    for run in found:
        assert len(run) <= limit + 1
        assert sum(sizes[run.start : max(run.start, run.stop - 1)]) <= 1_000


def test_records_without_images_weigh_by_their_number_alone() -> None:
    assert [len(run) for run in runs.weighed(0, [0] * 9, records_a_run=3, bytes_a_run=1_000)] == [3, 3, 3]
