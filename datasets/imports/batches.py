"""Cutting a stream into lists of bounded size. Pure; no Django."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")


def batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """`items` in lists of `size`; the last may be shorter."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


def distinct_runs(items: Iterable[Item], size: int, key: Callable[[Item], Hashable]) -> Iterator[list[Item]]:
    """`items` in lists as long as can be, `size` at most, in which no two have the same key."""
    run: list[Item] = []
    keys: set[Hashable] = set()
    for item in items:
        if len(run) == size or key(item) in keys:
            yield run
            run, keys = [], set()
        run.append(item)
        keys.add(key(item))
    if run:
        yield run
