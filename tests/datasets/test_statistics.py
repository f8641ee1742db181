"""Counts and distributions: right, cached by revision, and few queries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from datasets.models import Dataset
from datasets.statistics import TOP_LABELS, Counts, categories_of, counts_of, images_of, labels_of
from tests import cast
from vi_portal.accounts.models import Organization

Asserts = Callable[..., Any]


def test_an_asset_with_two_annotations_counts_once_as_annotated(valves: Dataset) -> None:
    asset = cast.make_asset(valves)
    cast.make_annotation(asset)
    cast.make_annotation(asset)
    cast.make_asset(valves, "bare.jpg")
    assert counts_of([valves])[valves.pk] == Counts(assets=2, annotated=1, annotations=2)


def test_each_dataset_has_its_own_counts(acme: Organization, django_assert_num_queries: Asserts) -> None:
    datasets = [cast.make_dataset(acme, name=f"Number {n}") for n in range(4)]
    for n, dataset in enumerate(datasets):
        cast.make_annotated(dataset, n)
    with django_assert_num_queries(2):
        counts = counts_of(datasets)
    assert [counts[dataset.pk].assets for dataset in datasets] == [0, 1, 2, 3]
    with django_assert_num_queries(0):
        counts_of(datasets)


def test_a_change_is_seen_at_once(valves: Dataset) -> None:
    cast.make_annotated(valves, 1)
    assert counts_of([valves])[valves.pk].assets == 1
    assert labels_of(valves).total == 1
    cast.make_annotated(valves, 2, start=1)
    assert counts_of([valves])[valves.pk].assets == 3
    assert labels_of(valves).total == 3


@pytest.mark.parametrize(
    ("assets", "annotated", "percent"), [(0, 0, 0), (1000, 1, 1), (1000, 999, 99), (7, 7, 100), (3, 2, 67)]
)
def test_none_and_all_are_never_rounded_to(assets: int, annotated: int, percent: int) -> None:
    assert Counts(assets=assets, annotated=annotated).percent == percent


def test_categories_count_annotations_and_those_without_one(valves: Dataset) -> None:
    asset = cast.make_asset(valves)
    for category in ("Safety", "Quality", "Safety", None, ""):
        cast.make_annotation(asset, category=category)
    categories = categories_of(valves)
    assert [(each.text, each.count, each.share) for each in categories.top] == [("Safety", 2, 1), ("Quality", 1, 0.5)]
    assert (categories.distinct, categories.without) == (2, 2)


def test_a_bar_is_seen_however_small_its_share(valves: Dataset) -> None:
    asset = cast.make_asset(valves)
    boxes = [(n, n, n + 9, n + 9) for n in range(300)]
    cast.make_annotation(asset, cast.grounding("A valve", "valve", *boxes))
    cast.make_annotation(asset, cast.grounding("A pump", "pump"))
    assert [label.width for label in labels_of(valves).top] == ["100.00%", "0.75%"]


def test_labels_count_boxes_and_come_largest_first(valves: Dataset) -> None:
    asset = cast.make_asset(valves)
    cast.make_annotation(asset, cast.grounding("A pump", "pump"))
    for _ in range(2):
        cast.make_annotation(asset, cast.grounding("A valve", "valve", (0, 0, 9, 9), (1, 1, 5, 5)))
    labels = labels_of(valves)
    assert [(label.text, label.count, label.share) for label in labels.top] == [("valve", 4, 1), ("pump", 1, 0.25)]
    assert (labels.distinct, labels.total, labels.more) == (2, 5, 0)


def test_answers_are_labels_too(acme: Organization) -> None:
    dataset = cast.make_dataset(acme, type="vqa")
    cast.make_annotation(cast.make_asset(dataset), cast.qa(("Open?", "No"), ("Dirty?", "No"), ("Color?", "Red")))
    assert [(label.text, label.count) for label in labels_of(dataset).top] == [("No", 2), ("Red", 1)]


def test_only_the_top_is_listed_and_the_rest_counted(valves: Dataset) -> None:
    asset = cast.make_asset(valves)
    for n in range(TOP_LABELS + 5):
        cast.make_annotation(asset, cast.grounding(f"thing{n}", f"thing{n}"))
    labels = labels_of(valves)
    assert (len(labels.top), labels.more, labels.total) == (TOP_LABELS, 5, TOP_LABELS + 5)


def test_images_are_measured(valves: Dataset) -> None:
    assert images_of(valves) is None
    cast.make_asset(valves, "a.jpg", width=100, height=50, image=cast.jpeg(), exif_orientation=6)
    cast.make_asset(valves, "b.jpg", width=300, height=70, flaw="The file ends too early.")
    images = images_of(valves)
    assert images is not None
    assert (images.min_width, images.max_width, images.mean_width, images.mean_height) == (100, 300, 200, 60)
    assert (images.missing, images.unreadable, images.turned, images.to_repair) == (1, 1, 1, 0)
    assert images.bytes == len(cast.jpeg())


def test_what_was_looked_for_is_kept_even_if_there_was_nothing(
    valves: Dataset, django_assert_num_queries: Asserts
) -> None:
    found = images_of(valves), labels_of(valves), categories_of(valves)
    with django_assert_num_queries(0):
        assert (images_of(valves), labels_of(valves), categories_of(valves)) == found
