"""The faults. Each asks for its exports itself, strikes at moments the round draws, and mends what it broke.

What it waits for, it can see; only the moments, and how long an outage lasts, are times, and the seed gives them.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from celery import current_app
from django.conf import settings

from exports.models import ExportJob, ExportShard
from tests.faults.team import Team, wait_until
from tests.faults.world import Kind, World, jobs, seen
from tests.frame import portal
from tests.services.servers import RabbitMQ
from vi_portal.jobs.models import ACTIVE, State


@dataclass
class Round:
    """Two exports and the moments at which something happens to them."""

    team: Team
    world: World
    random: random.Random
    kinds: tuple[Kind, ...]
    struck: list[str] = field(default_factory=list)
    asked: int = 0
    #: Processes of any program that were killed.
    kills: int = 0
    #: Processes of workers that were killed while an export was under way; the formats that were, at each.
    worker_kills: int = 0
    under_kills: Counter[str] = field(default_factory=Counter)

    def ask(self) -> None:
        for kind in self.kinds:
            assert self.world.ask(self.team, kind) == 200, "The portal refused an export."
            self.asked += 1

    def wait_for_a_moment(self) -> None:
        """Let a random time pass from now, or from when an archive is being written."""
        kind = self.random.choice(self.kinds)
        writing, share = self.random.random() < 0.75, self.random.random()
        if writing:
            wait_until(lambda: list(self.team.archives.glob("*.part")) or not under_way(), what="something is written")
        delay = share * (kind.writing if writing else kind.before + kind.writing)
        time.sleep(delay)
        self.struck.append(f"{delay:.2f} s after {'the first byte' if writing else 'the request'} ({kind.name})")

    def pick_worker(self) -> str:
        """The worker of one of the exports, or any."""
        alive = self.team.workers()
        holders = sorted({job.worker for job in under_way()} & set(alive))
        return self.random.choice(holders or sorted(alive) or [""])

    def kill(self, *pids: int) -> None:
        formats = {job.format for job in under_way()}
        of_workers = {pid for pids in self.team.workers().values() for pid in pids} if formats else set()
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                self.kills += 1
                if pid in of_workers:
                    self.worker_kills += 1
                    self.under_kills.update(formats)

    def kill_of(self, worker: str) -> None:
        """One of its processes: the one that takes messages, or one that does jobs."""
        pids = self.team.workers().get(worker, [])
        self.kill(*self.random.sample(pids[:1] + pids[1:2], min(len(pids), 1)))


Strike = Callable[[Round], None]


def under_way() -> list[ExportJob]:
    """The exports that are not over."""
    return [job for job in jobs() if job.is_active]


def _waiting() -> list[ExportJob]:
    """The exports that no worker has taken yet."""
    return [job for job in jobs() if job.state == State.QUEUED]


# Workers


def the_worker_is_killed(told: Round) -> None:
    told.ask()
    for _ in range(told.random.choice((1, 2, 2, 3))):
        told.wait_for_a_moment()
        told.kill(*told.team.workers().get(told.pick_worker(), [])[:1])


def the_process_that_does_the_job_is_killed(told: Round) -> None:
    told.ask()
    for _ in range(told.random.choice((1, 2, 2, 3))):
        told.wait_for_a_moment()
        told.kill(*told.team.workers().get(told.pick_worker(), [])[1:])


def a_machine_with_a_worker_is_lost(told: Round) -> None:
    told.ask()
    told.wait_for_a_moment()
    told.kill(*told.team.workers().get(told.pick_worker(), []))


def both_workers_are_lost(told: Round) -> None:
    told.ask()
    told.wait_for_a_moment()
    for pids in told.team.workers().values():
        told.kill(*pids)


def every_attempt_is_killed(told: Round) -> None:
    """Until the export has failed for it, or got through."""
    told.ask()
    seen_attempts: set[tuple[str, int]] = set()

    def fresh() -> list[ExportJob]:
        running = [job for job in under_way() if job.state == State.RUNNING]
        return [job for job in running if (str(job.pk), job.attempts) not in seen_attempts]

    while under_way():
        wait_until(lambda: fresh() or not under_way(), what="an export is tried again")
        for job in fresh():
            seen_attempts.add((str(job.pk), job.attempts))
            time.sleep(told.random.random() * told.kinds[0].writing)
            told.kill(*told.team.workers().get(job.worker, [])[told.random.choice((0, 1)) :][:1])


def a_worker_sleeps_past_its_lease(told: Round) -> None:
    """Alone, and not with SQLite's one lock in its hands: that is `the_database_is_locked`."""
    told.ask()
    told.wait_for_a_moment()
    while under_way():
        name = told.pick_worker()
        pids = told.team.workers().get(name, [])
        try:
            portal.pause(pids)
            held = {job.pk: job.lease_token for job in under_way() if job.worker == name and job.lease_token}
            wait_until(partial(_all_moved_on, held), what="another worker takes the exports of one that sleeps")
        finally:
            portal.resume(pids)
        if held:
            told.struck.append(f"{len(held)} exports held")
            return


def a_clock_is_wrong(told: Round) -> None:
    offset = told.random.choice(("-9d", "-3h", "-40s", "+40s", "+3h", "+9d"))
    told.struck.append(f"a worker at {offset}")
    with told.team.another_clock(offset):
        wait_until(told.team.is_whole, what="the worker with the wrong clock has signed in")
        told.ask()
        if told.random.random() < 0.5:
            told.wait_for_a_moment()
            told.kill(*told.team.workers().get(told.pick_worker(), [])[:1])
        wait_until(lambda: not under_way(), what="the exports are over")


# Messages


def the_broker_loses_everything(told: Round) -> None:
    """And the workers hear of what is asked for afterwards."""
    told.ask()
    told.wait_for_a_moment()
    with _broker_away(told):
        time.sleep(told.random.random() * 2)
    wait_until(lambda: not under_way(), what="the exports are over")
    told.ask()
    wait_until(lambda: not _waiting(), what="the exports asked for afterwards are begun", within=60)


def the_broker_is_away_when_exports_are_asked_for(told: Round) -> None:
    with _broker_away(told):
        told.ask()


def the_broker_hangs_when_exports_are_asked_for(told: Round) -> None:
    """Whoever asks is answered all the same."""
    with _broker_mute(told):
        told.ask()


def the_web_server_dies_before_it_rings(told: Round) -> None:
    """Its broker does not answer at that moment; the row is there, and no message ever comes."""
    with _broker_mute(told):
        before = len(jobs())
        asking = threading.Thread(target=told.world.ask, args=(told.team, told.kinds[0]))
        asking.start()
        wait_until(lambda: len(jobs()) > before, what="the row of the export is there")
        told.asked = 1
        told.kill(*told.team.web())
        asking.join()
    wait_until(lambda: told.team.web(), what="the web server is started again")


def the_broker_gives_up_on_messages(told: Round) -> None:
    """RabbitMQ closes the channel of who acknowledges too late for it; exports go on, and no worker is lost."""
    broker = told.team.broker
    assert isinstance(broker, RabbitMQ)
    before = told.team.workers()
    with _impatient(broker):
        wait_until(told.team.is_whole, what="the workers hear the broker again")
        told.ask()
        wait_until(lambda: not under_way(), what="the exports are over")
        assert "delivery acknowledgement on channel" in broker.log.read_text(), "It was patient after all."
    assert told.team.workers() == before, "A worker ended, or one of its processes."
    assert [job.attempts for job in jobs()] == [1] * told.asked


def each_message_is_delivered_three_times(told: Round) -> None:
    over = threading.Event()

    def repeat() -> None:
        known: set[str] = set()
        while not over.is_set():
            due: list[tuple[str, str]] = seen(_to_be_done, otherwise=[])
            for task, pk in due:
                for _ in range(0 if pk in known else 2):
                    current_app.send_task(task, args=[pk])
                known.add(pk)

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        told.ask()
        wait_until(lambda: not under_way(), what="the exports are over")
    finally:
        over.set()
        thread.join()


# What it all stands on


def the_database_is_killed(told: Round) -> None:
    """Whoever reads meanwhile is told so calmly, and nobody needs to be started again for it."""
    database = told.team.database
    assert database is not None
    before = told.team.web(), told.team.workers()
    told.ask()
    told.wait_for_a_moment()
    with _readers(told) as statuses:
        told.random.choice((database.kill, database.stop_at_once))()
        time.sleep(0.5 + told.random.random() * 4)
        database.start()
        statuses.clear()
        wait_until(lambda: statuses[200] > 20, what="pages are answered again")
    wait_until(lambda: not under_way(), what="the exports are over")
    assert (told.team.web(), told.team.workers()) == before, "A program ended."


def the_database_is_locked(told: Round) -> None:
    told.ask()
    told.wait_for_a_moment()
    with sqlite3.connect(settings.DATABASES["default"]["NAME"], timeout=20, isolation_level=None) as held:
        held.execute("BEGIN IMMEDIATE")
        with _readers(told) as statuses:
            time.sleep(told.random.choice((1.0, 3.0, 6.0, 22.0)))
        held.execute("ROLLBACK")
        assert statuses[200], "Nobody could read."
    held.close()


def the_disk_is_full(told: Round) -> None:
    ballast = told.team.archives / "ballast"
    told.ask()
    told.wait_for_a_moment()
    try:
        with ballast.open("wb", buffering=0) as file, suppress(OSError):
            while file.write(bytes(1024 * 64)):
                pass
        wait_until(lambda: not under_way(), what="the exports are over")
    finally:
        ballast.unlink()


def the_whole_portal_is_killed(told: Round) -> None:
    told.ask()
    told.wait_for_a_moment()
    told.kill(*told.team.supervisor(), *told.team.web())


# The parts


@contextmanager
def _broker_away(told: Round) -> Iterator[None]:
    """The broker is gone with all it held, and comes back empty."""
    broker = told.team.broker
    if broker is None:
        shutil.rmtree(_folder(), ignore_errors=True)
        shutil.rmtree(_folder("control_folder"), ignore_errors=True)
        yield
        shutil.rmtree(_folder(), ignore_errors=True)
        return
    broker.kill()
    told.kills += 1
    if isinstance(broker, RabbitMQ):
        broker.forget()
    try:
        yield
    finally:
        broker.start()


@contextmanager
def _broker_mute(told: Round) -> Iterator[None]:
    """The broker takes no message, and forgets those that were on their way."""
    broker = told.team.broker
    if broker is None:
        folder = _folder()
        shutil.rmtree(folder, ignore_errors=True)
        folder.write_text("a file where the folder should be")
        try:
            yield
        finally:
            folder.unlink()
        return
    broker.pause()
    try:
        yield
    finally:
        broker.kill()
        if isinstance(broker, RabbitMQ):
            broker.forget()
        broker.start()


@contextmanager
def _readers(told: Round) -> Iterator[Counter[int]]:
    """Somebody looks at the history and a program at its exports, all the time; how often each status was the answer.

    Only 200 and 503 may be.
    """
    statuses, wrong, over = Counter[int](), Counter[int](), threading.Event()

    def read() -> None:
        while not over.wait(0.02):
            for status in told.world.look(told.team):
                statuses[status] += 1
                wrong[status] += status not in (200, 503)

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield statuses
    finally:
        over.set()
        thread.join()
    assert not wrong.total(), f"Answers beside 200 and 503: {+wrong}."


@contextmanager
def _impatient(broker: RabbitMQ) -> Iterator[None]:
    """The broker waits a moment for a message to be acknowledged, instead of half an hour."""
    broker.stop()
    broker.configure(consumer_timeout=300)
    broker.start()
    try:
        yield
    finally:
        broker.stop()
        broker.configure()
        broker.start()


def _to_be_done() -> list[tuple[str, str]]:
    """Every message that could be under way: the task and the id."""
    exports = ExportJob.objects.filter(state__in=ACTIVE).values_list("pk", flat=True)
    shards = ExportShard.objects.filter(state__in=ACTIVE).values_list("pk", flat=True)
    asked = ((ExportJob.task_name, exports), (ExportShard.task_name, shards))
    return [(task, str(pk)) for task, pks in asked for pk in pks]


def _folder(name: str = "data_folder_in") -> Path:
    return Path(settings.CELERY_BROKER_TRANSPORT_OPTIONS[name])


def _all_moved_on(held: dict[uuid.UUID, uuid.UUID]) -> bool:
    now = {job.pk: job.lease_token for job in jobs()}
    return all(now.get(pk) != token for pk, token in held.items())
