"""Fixtures of exports that several workers share."""

from __future__ import annotations

import pytest
from django.conf import LazySettings

from datasets.models import Dataset
from exports import fragments
from tests import cast
from tests.exports.sharing import small_runs


@pytest.fixture
def small_shards(monkeypatch: pytest.MonkeyPatch, settings: LazySettings) -> None:
    """Runs of two records, shards of four, and each piece checked by who wrote it."""
    small_runs(monkeypatch, settings)
    monkeypatch.setattr(fragments, "_LARGE", 1)


@pytest.fixture
def pumps(valves: Dataset) -> Dataset:
    """Fifteen assets with images: one without annotations, and one with a box to repair."""
    for number in range(15):
        asset = cast.make_asset(valves, f"line_{number:02}.jpg", width=640 + number, image=cast.jpeg(width=64 + number))
        if number == 4:
            continue
        cast.make_annotation(asset, cast.grounding("A red valve", "red valve", (1, 2, 30 + number, 40)))
        if number == 9:
            cast.make_annotation(asset, cast.grounding("A red valve", "red valve", (1, 2, 5_000, 40)))
    return valves
