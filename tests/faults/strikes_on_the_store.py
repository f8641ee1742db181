"""The faults of a store: it fails, dawdles, breaks off, hangs; and workers that die while they send it something."""

from __future__ import annotations

import random
import re
import threading
import time
from dataclasses import dataclass, field, replace

from exports.models import ExportJob, ExportShard
from tests.faults.store import Store
from tests.faults.strikes import Round, under_way
from tests.faults.team import wait_until
from tests.faults.world import seen
from tests.services.store import Asked, Fault

#: What may befall a request. The last two are done by the store, though nobody hears of it.
_FAULTS = (
    Fault(status=500),
    Fault(status=503),
    Fault(after_seconds=1.0),
    Fault(after_seconds=3.0),
    Fault(cut_after=1000),
    Fault(silent=True),
    Fault(status=500, done=True),
    Fault(silent=True, done=True),
)
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass
class _Trouble:
    """Something befalls one request in so many."""

    random: random.Random
    share: float
    struck: int = 0

    def __call__(self, asked: Asked) -> Fault | None:
        if self.random.random() >= self.share:
            return None
        self.struck += 1
        return self.random.choice(_FAULTS)


@dataclass
class _Moment:
    """The request that stores the `nth` part, or the `nth` object: it is held up, and who sent it is `sender`."""

    nth: int
    in_parts: bool
    met: threading.Event = field(default_factory=threading.Event)
    path: str = ""
    _count: int = 0

    def __call__(self, asked: Asked) -> Fault | None:
        if asked.method != "PUT" or "/exports/" not in asked.path or ("partNumber=" in asked.path) != self.in_parts:
            return None
        self._count += 1
        if self._count == self.nth:
            self.path = asked.path
            self.met.set()
        return Fault(after_seconds=0.5) if self._count >= self.nth else None

    def sender(self) -> str:
        """The worker that sends it."""
        match = _UUID.search(self.path)
        assert match is not None
        return seen(lambda: _worker_of(match[0]), otherwise="")


def the_store_fails_and_dawdles(told: Round) -> None:
    """A request in some is answered 500, or late, or not to its end; for a while perhaps every one."""
    trouble = _Trouble(told.random, told.random.choice((0.02, 0.08, 0.2)))
    store = _store(told)
    store.way.fault = trouble
    try:
        told.ask()
        told.wait_for_a_moment()
        if told.random.random() < 0.5:
            usual, trouble.share = trouble.share, 1.0
            time.sleep(told.random.random() * 5)
            trouble.share = usual
        if told.random.random() < 0.5:
            told.kill_of(told.pick_worker())
        wait_until(lambda: not under_way(), what="the exports are over")
        told.struck.append(f"{trouble.struck} requests, one in {1 / trouble.share:.0f}")
    finally:
        store.is_healthy()


def the_store_is_away(told: Round) -> None:
    """Longer than anybody asks again: what is to be stored then is not, and the export says so."""
    trouble = _Trouble(told.random, 0.0)
    store = _store(told)
    store.way.fault = trouble
    try:
        told.ask()
        told.wait_for_a_moment()
        trouble.share = 1.0
        wait_until(lambda: not under_way(), what="the exports are over")
    finally:
        store.is_healthy()


def the_store_hangs(told: Round) -> None:
    """For less time than it is waited for."""
    store = _store(told)
    told.ask()
    told.wait_for_a_moment()
    store.pause()
    try:
        time.sleep(told.random.random() * 8)
    finally:
        store.resume()


def the_worker_is_killed_while_it_sends(told: Round) -> None:
    """In the middle of a multipart upload, which nobody will finish, or of a shard's fragment."""
    told.kinds = tuple(replace(kind) for kind in told.world.kinds if kind.images)
    moment = _Moment(told.random.choice((1, 1, 2)), in_parts=told.random.random() < 0.7)
    store = _store(told)
    store.way.fault = moment
    try:
        told.ask()
        wait_until(lambda: moment.met.is_set() or not under_way(), what="something is stored")
        if moment.met.is_set():
            told.struck.append(f"at {moment.path}")
            time.sleep(told.random.random() * 0.5)
            told.kill_of(moment.sender())
    finally:
        store.is_healthy()


def _store(told: Round) -> Store:
    assert told.team.store is not None
    return told.team.store


def _worker_of(pk: str) -> str:
    """The worker that has this export, or this shard of one."""
    models: list[type[ExportJob] | type[ExportShard]] = [ExportJob, ExportShard]
    rows = [row for model in models for row in model._default_manager.filter(pk=pk).values_list("worker", flat=True)]
    return rows[0] if rows else ""
