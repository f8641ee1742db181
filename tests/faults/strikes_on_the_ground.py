"""What everything stands on gives way: the database, the disk, the whole portal at once."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from django.conf import settings

from tests.faults.strikes import Round, under_way
from tests.faults.team import wait_until


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
