"""A round, and the faults of workers. Each asks for its exports itself, and strikes at moments the round draws.

What it waits for, it can see; only the moments, and how long an outage lasts, are times, and the seed gives them.
"""

from __future__ import annotations

import os
import random
import signal
import time
import uuid
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from exports.models import ExportJob
from tests.faults.team import Team, wait_until
from tests.faults.world import Kind, World, jobs
from tests.frame import portal
from vi_portal.jobs.models import State


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


def _all_moved_on(held: dict[uuid.UUID, uuid.UUID]) -> bool:
    now = {job.pk: job.lease_token for job in jobs()}
    return all(now.get(pk) != token for pk, token in held.items())
