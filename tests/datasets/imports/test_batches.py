"""Streams cut into lists of bounded size."""

from __future__ import annotations

from datasets.imports.batches import distinct_runs


def test_runs_end_where_a_key_comes_again_or_enough_has_come() -> None:
    assert list(distinct_runs("abacdef", 3, key=str)) == [["a", "b"], ["a", "c", "d"], ["e", "f"]]
    assert list(distinct_runs("", 3, key=str)) == []
