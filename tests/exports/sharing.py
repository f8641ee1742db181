"""What the stories of shared exports have in common: small shards, and other workers who write them."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import connections

from exports.models import ExportJob, ExportShard
from exports.registry import FORMATS
from exports.shards import dealing, holder, writer
from tests.exports.reading import leftovers, members, receipt
from vi_portal.jobs.models import Worker


def small_runs(monkeypatch: pytest.MonkeyPatch, settings: LazySettings) -> None:
    """Runs of two records, and shards of four to the very end, where they are smaller otherwise."""
    for key, entry in FORMATS.items():
        monkeypatch.setitem(FORMATS, key, replace(entry, records_a_run=2))
    settings.EXPORT_SHARD_RECORDS = 4
    monkeypatch.setattr(dealing, "_SHARDS_LEFT", 1)
    monkeypatch.setattr(dealing, "_MOST_TIMES", 1)


def sign_in(*names: str) -> None:
    for name in names:
        Worker.sign_in(name)


@contextmanager
def another_worker(name: str = "other") -> Iterator[None]:
    """Somebody who writes every shard there is, in a thread with connections of its own."""
    over = threading.Event()

    def work() -> None:
        try:
            while not over.wait(0.01):
                for pk in ExportShard.objects.filter(ExportShard.waiting()).values_list("pk", flat=True):
                    writer.run(pk, worker=name)
        finally:
            connections.close_all()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def write_elsewhere(*ids: uuid.UUID, worker: str = "other") -> None:
    """The shards `ids`, written by somebody who sees the database with eyes of its own."""

    def work() -> None:
        try:
            for pk in ids:
                writer.run(pk, worker=worker)
        finally:
            connections.close_all()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def once_dealt(monkeypatch: pytest.MonkeyPatch, act: Callable[[ExportJob], None]) -> None:
    """`act` on the export as soon as its shards are there."""
    ask = holder._Held.ask

    def asked(held: holder._Held, groups: Any) -> Iterator[uuid.UUID]:
        dealt = ask(held, groups)
        act(held._job)
        return dealt

    monkeypatch.setattr(holder._Held, "ask", asked)


def ids_of(job: ExportJob) -> list[uuid.UUID]:
    return list(job.shards.order_by("number").values_list("pk", flat=True))


def told(job: ExportJob) -> dict[str, Any]:
    """The receipt without what is of this very export."""
    return {key: value for key, value in receipt(job).items() if key not in {"export", "snapshot_at"}}


def assert_equal(job: ExportJob, alone: ExportJob) -> None:
    ours, theirs = members(job), members(alone)
    assert list(ours) == list(theirs)
    differing = [name for name in ours if name != "export.json" and ours[name] != theirs[name]]
    assert differing == []
    assert told(job) == told(alone)
    assert (job.assets_written, job.warnings) == (alone.assets_written, alone.warnings)
    assert leftovers() == []
    assert not ExportShard.objects.exists()
