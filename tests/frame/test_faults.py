"""Whatever dies, stalls or is lost on the way, an export is done once, or not at all.

Real workers on the embedded broker; faults strike while an export is being written.
"""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from celery import current_app
from django.conf import settings as portal_settings

from datasets.models import Dataset
from exports.dispatch import request_export
from exports.models import ExportJob
from exports.spec import ExportSpec
from tests import cast
from tests.brokers import messages_waiting
from tests.exports.reading import leftovers
from tests.frame import portal
from tests.frame.portal import TO_START, environment, make_large
from tests.waiting import wait_until
from vi_portal.jobs.models import State, Worker
from vi_portal.supervisor import worker_command

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "snapshot"])

DATA_DIR = Path(portal_settings.DATA_DIR)
ARCHIVES = DATA_DIR / "exports"
SPOOLS = DATA_DIR / "spool"
MESSAGES = DATA_DIR / "broker"


class RunningWorker:
    """A worker in a process group of its own."""

    numbers = itertools.count(1)

    def __init__(self) -> None:
        self.name = f"worker-{next(self.numbers)}@here"
        self._process = subprocess.Popen(
            [sys.executable, "-m", *worker_command(self.name)],
            cwd=portal_settings.BASE_DIR,
            env=environment(DATA_DIR),
            start_new_session=True,
        )
        wait_until(self._is_signed_in, within=TO_START)

    def _is_signed_in(self) -> bool:
        assert self.is_running, f"{self.name} ended with {self._process.returncode}."
        return Worker.objects.filter(pk=self.name).exists()

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        """The main process only, as the kernel does when memory is short."""
        self._process.kill()
        self._process.wait()

    def kill_child(self) -> None:
        """The process that does the job."""
        [child] = self._children()
        os.kill(child, signal.SIGKILL)

    def _children(self) -> list[int]:
        children = Path(f"/proc/{self._process.pid}/task").glob("*/children")
        return [int(pid) for file in children for pid in file.read_text().split()]

    def signal_all(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    def pause(self) -> None:
        portal.pause([self._process.pid, *self._children()])

    def ask_to_stop(self) -> None:
        """It finishes what it does first."""
        self._process.terminate()

    def wait_for_the_end(self) -> None:
        assert self._process.wait(timeout=30) == 0

    def end(self) -> None:
        self.signal_all(signal.SIGKILL)
        self._process.wait()


@pytest.fixture
def start_worker(settings: Any, own_folders: None) -> Iterator[Callable[[], RunningWorker]]:
    settings.ARCHIVE_DIR, settings.SPOOL_DIR = ARCHIVES, SPOOLS
    workers: list[RunningWorker] = []
    for folder in (ARCHIVES, SPOOLS, MESSAGES):
        shutil.rmtree(folder, ignore_errors=True)
    current_app.control.purge()

    def start() -> RunningWorker:
        workers.append(RunningWorker())
        return workers[-1]

    yield start
    for worker in workers:
        worker.end()


@pytest.fixture
def valves() -> Dataset:
    return cast.make_dataset(cast.make_organization())


@pytest.fixture
def many(valves: Dataset) -> Dataset:
    """Enough to be caught in the middle of its export."""
    make_large(valves, assets=6000, annotations=8)
    return valves


def export(dataset: Dataset) -> ExportJob:
    return request_export(ExportSpec(), dataset=dataset, user=None)


def wait_for_the_middle(job: ExportJob) -> None:
    """Until the archive of `job` is being written."""
    wait_until(lambda: list(ARCHIVES.glob(f"{job.pk}-*.part")))


def wait_for_the_end(job: ExportJob) -> ExportJob:
    wait_until(lambda: not ExportJob.objects.get(pk=job.pk).is_active, within=60)
    return ExportJob.objects.get(pk=job.pk)


def assert_done_once(job: ExportJob, *, assets: int) -> None:
    job = wait_for_the_end(job)
    assert (job.status, job.failure) == ("Finished", "")
    assert job.assets_written == assets
    wait_until(lambda: not leftovers(), within=5)
    assert [path.name for path in ARCHIVES.iterdir()] == [job.archive]


def test_the_worker_is_killed(many: Dataset, start_worker: Callable[[], RunningWorker]) -> None:
    worker = start_worker()
    job = export(many)
    wait_for_the_middle(job)

    worker.kill()
    start_worker()

    assert_done_once(job, assets=6000)
    assert ExportJob.objects.get().attempts == 2


def test_the_process_that_does_the_job_is_killed(many: Dataset, start_worker: Callable[[], RunningWorker]) -> None:
    worker = start_worker()
    job = export(many)
    wait_for_the_middle(job)

    worker.kill_child()

    assert_done_once(job, assets=6000)
    assert ExportJob.objects.get().attempts == 2
    assert worker.is_running


def test_the_process_that_waits_for_a_job_is_killed(valves: Dataset, start_worker: Callable[[], RunningWorker]) -> None:
    cast.make_annotated(valves, 3)
    worker = start_worker()

    worker.kill_child()

    assert_done_once(export(valves), assets=3)
    assert worker.is_running


@pytest.mark.skipif(
    not portal_settings.CELERY_BROKER_URL.startswith("files://"), reason="The broker has no folders here."
)
def test_the_folders_of_the_broker_are_removed(valves: Dataset, start_worker: Callable[[], RunningWorker]) -> None:
    cast.make_annotated(valves, 3)
    worker = start_worker()
    worker.pause()
    job = export(valves)
    assert messages_waiting()
    shutil.rmtree(MESSAGES)
    shutil.rmtree(DATA_DIR / "broker-control")

    worker.signal_all(signal.SIGCONT)

    assert_done_once(job, assets=3)
    after = export(valves)
    wait_for_the_end(after)
    assert worker.is_running


def test_the_web_process_dies_between_saving_the_job_and_telling_the_workers(
    valves: Dataset, start_worker: Callable[[], RunningWorker]
) -> None:
    cast.make_annotated(valves, 3)
    start_worker()

    job = request_export(ExportSpec(), dataset=valves, user=None, ring=False)

    assert_done_once(job, assets=3)


def test_a_paused_worker_wakes_up_after_its_lease(many: Dataset, start_worker: Callable[[], RunningWorker]) -> None:
    paused = start_worker()
    job = export(many)
    wait_for_the_middle(job)

    paused.pause()
    start_worker()
    assert_done_once(job, assets=6000)
    paused.signal_all(signal.SIGCONT)
    paused.ask_to_stop()
    paused.wait_for_the_end()

    assert_done_once(job, assets=6000)
    assert ExportJob.objects.get().attempts == 2


def test_a_job_is_announced_many_times(valves: Dataset, start_worker: Callable[[], RunningWorker]) -> None:
    cast.make_annotated(valves, 50)
    job = export(valves)
    for _ in range(4):
        job.ring()
    assert messages_waiting() == 5

    workers = [start_worker(), start_worker()]
    assert_done_once(job, assets=50)
    wait_until(lambda: not messages_waiting())
    for worker in workers:
        worker.ask_to_stop()
    for worker in workers:
        worker.wait_for_the_end()

    assert_done_once(job, assets=50)
    assert ExportJob.objects.get().attempts == 1


def test_a_running_job_is_cancelled(many: Dataset, start_worker: Callable[[], RunningWorker]) -> None:
    worker = start_worker()
    job = export(many)
    wait_for_the_middle(job)

    ExportJob.objects.get().cancel(by="Ana")

    wait_until(lambda: not list(ARCHIVES.iterdir()), within=10)
    worker.ask_to_stop()
    worker.wait_for_the_end()
    job.refresh_from_db()
    assert (job.state, job.failure) == (State.FAILED, "Cancelled by Ana.")
    assert not leftovers()
    assert not list(ARCHIVES.iterdir())


def test_the_last_attempt_is_lost(many: Dataset, start_worker: Callable[[], RunningWorker]) -> None:
    job = export(many)
    ExportJob.objects.update(attempts=portal_settings.JOB_MAX_ATTEMPTS - 1)
    worker = start_worker()
    wait_for_the_middle(job)

    worker.kill()
    start_worker()

    job = wait_for_the_end(job)
    assert (job.status, job.failure) == (
        "Failed",
        "The worker stopped unexpectedly 3 times. Its log says why.",
    )
    wait_until(lambda: not leftovers() and not list(ARCHIVES.iterdir()), within=5)
