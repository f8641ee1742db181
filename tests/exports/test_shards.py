"""An export by many workers is the one a single worker makes, whoever writes its shards."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from celery import current_app
from django.conf import LazySettings
from django.db import connections

from datasets.models import Dataset
from exports import fragments, runs
from exports.models import ExportJob, ExportShard
from exports.planning import Plan
from exports.records import Options
from exports.shards import dealing, holder
from exports.sources import Snapshot
from tests import cast
from tests.exports.reading import export, lines
from tests.exports.sharing import another_worker, assert_equal, ids_of, once_dealt, sign_in, write_elsewhere
from vi_portal.jobs.models import State

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "snapshot"]),
    pytest.mark.usefixtures("small_shards"),
]


@pytest.mark.parametrize(("records", "largest"), [(102, 20), (300, 36), (1_000, 80)])
def test_the_first_shards_are_the_largest_and_the_last_the_smallest(
    records: int, largest: int, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.EXPORT_SHARD_RECORDS = 20
    monkeypatch.setattr(dealing, "_SHARDS_LEFT", 4)
    monkeypatch.setattr(dealing, "_MOST_TIMES", 4)
    planned = runs.even(0, records, records_a_run=2)
    dealt = dealing.deal(Plan(records, [], planned, 0, Options(False, False, ())))
    assert [run for group in dealt for run in group] == planned
    sizes = [sum(map(len, group)) for group in dealt]
    assert sizes == sorted(sizes, reverse=True)
    assert (sizes[0], sizes[-1]) == (largest, 2)


@pytest.mark.parametrize(("alive", "bells"), [(["test"], 0), (["test", "other"], 1), (["other"], 1), ([], 0)], ids=str)
def test_a_bell_is_rung_for_each_slot_but_the_holders_own(
    pumps: Dataset, alive: list[str], bells: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command line holds an export without being a worker."""
    rung: list[str] = []
    monkeypatch.setattr(current_app, "send_task", lambda name, **more: rung.append(name))
    sign_in(*alive)
    assert export(pumps).state == State.FINISHED
    assert rung == [ExportShard.task_name] * bells


@pytest.mark.parametrize("asked", [{}, {"include_images": True}], ids=str)
def test_an_export_of_no_more_than_a_shard_is_written_by_one(
    pumps: Dataset, asked: dict[str, Any], settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.EXPORT_SHARD_RECORDS = 15
    monkeypatch.setattr(dealing, "_SHARDS_LEFT", 4)
    sign_in("test", "other")
    monkeypatch.setattr(holder, "written_with_others", None)
    assert export(pumps, **asked).state == State.FINISHED


ASKED: list[dict[str, Any]] = [
    {"ratio": "0.3", "seed": 7, "include_images": True},
    {"normalized": True},
    {"format": "ViTfrecord", "ratio": "0.3", "seed": 7},
    {"format": "ViTfrecord", "include_images": True},
    {"format": "ViFull", "ratio": "0.3", "seed": 7},
]


@pytest.mark.parametrize("asked", ASKED, ids=str)
def test_shards_give_the_archive_of_a_single_worker(
    pumps: Dataset, asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = export(pumps, **asked)
    sign_in("test", "other")
    writers: set[str] = set()
    assemble = fragments.assemble

    def noted(*arguments: Any) -> None:
        writers.update(ExportShard.objects.exclude(worker="").values_list("worker", flat=True))
        assemble(*arguments)

    monkeypatch.setattr(fragments, "assemble", noted)
    with another_worker():
        job = export(pumps, **asked)
    assert_equal(job, alone)
    assert writers <= {"test", "other"}
    assert writers


def test_the_holder_needs_nobody(pumps: Dataset) -> None:
    alone = export(pumps, ratio="0.3", seed=7)
    sign_in("test", "one that never comes")
    assert_equal(export(pumps, ratio="0.3", seed=7), alone)


def test_others_can_write_all_of_it(pumps: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = export(pumps)
    sign_in("test", "other")
    monkeypatch.setattr(holder._Held, "_write_one", lambda held: False)
    with another_worker():
        assert_equal(export(pumps), alone)


def test_a_single_worker_makes_no_shards(pumps: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    sign_in("test")
    monkeypatch.setattr(holder, "written_with_others", None)
    assert export(pumps).state == State.FINISHED


def test_who_sees_another_dataset_leaves_the_shards_to_the_holder(
    pumps: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = export(pumps)
    sign_in("test", "other")
    if connections["default"].vendor == "postgresql":
        monkeypatch.setattr(Snapshot, "exported", staticmethod(lambda: ""))

    def edit(job: ExportJob) -> None:
        asset = pumps.assets.get(filename="line_14.jpg")
        pumps.rewrite_annotation(asset.annotations.get(), cast.grounding("Another", "Another", (0, 0, 9, 9)))
        write_elsewhere(*ids_of(job))
        assert job.shards.filter(state=State.QUEUED, holder_only=True).count() == job.shards.count()

    once_dealt(monkeypatch, edit)
    job = export(pumps)
    assert_equal(job, alone)
    assert "Another" not in str(lines(job))


def test_the_database_lets_others_see_what_the_holder_sees(pumps: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    if connections["default"].vendor != "postgresql":
        pytest.skip("Only PostgreSQL shares what a transaction sees.")
    alone = export(pumps)
    sign_in("test", "other")

    def edit(job: ExportJob) -> None:
        asset = pumps.assets.get(filename="line_14.jpg")
        pumps.rewrite_annotation(asset.annotations.get(), cast.grounding("Another", "Another", (0, 0, 9, 9)))
        with another_worker():
            while job.shards.exclude(state=State.FINISHED).exists():
                threading.Event().wait(0.01)

    once_dealt(monkeypatch, edit)
    assert_equal(export(pumps), alone)
