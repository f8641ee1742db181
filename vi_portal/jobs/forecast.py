"""When a job will start and end, as far as can be said honestly.

The line is played through with what jobs like these have taken here before. Where there is none like it, nothing is
said: a guess from a job of another size would be off by far, because small jobs are mostly their beginning and end.
"""

from __future__ import annotations

import heapq
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from itertools import count
from statistics import median
from typing import Any

from django.db.models import F, Value

from vi_portal.jobs.line import Entry, Line, line
from vi_portal.jobs.models import State, kinds

#: A job is like another whose workload is at most so many times larger or smaller.
_ALIKE = 8
#: Only the last ones tell how fast it goes now.
_REMEMBERED = 100
#: From here on a job's own progress tells more than other jobs.
_TELLING_PERCENT, _TELLING_SECONDS = 10, 5.0
#: After a forecast was made, so many times as long none is made.
_RESTS = 10
#: How long jobs take in the play, in seconds, where nobody knows; it decides about the order alone.
_GUESSED = {False: 5.0, True: 300.0}


@dataclass(frozen=True, slots=True)
class Speeds:
    """What lately finished jobs took: by kind and flavor, each one's workload and seconds."""

    taken: Mapping[tuple[str, str], Sequence[tuple[int, float]]]

    def lasting(self, entry: Entry) -> float | None:
        """The seconds that a job like `entry` takes from its start to its end; None where there was none like it."""
        alike = [
            seconds / workload
            for workload, seconds in self.taken.get((entry.kind, entry.flavor), ())
            if workload <= entry.workload * _ALIKE and entry.workload <= workload * _ALIKE
        ]
        return median(alike) * entry.workload if alike and entry.workload else None

    def left(self, entry: Entry, *, now: datetime) -> float | None:
        """The seconds that `entry`, which runs, still takes; None where there is no basis."""
        if entry.started_at is None:
            return None
        elapsed = (now - entry.started_at).total_seconds()
        # Over a second attempt the percentage is that of the first.
        if entry.attempts <= 1 and entry.percent >= _TELLING_PERCENT and elapsed >= _TELLING_SECONDS:
            return elapsed * (100 - entry.percent) / entry.percent
        lasting = self.lasting(entry)
        return lasting - elapsed if lasting is not None and lasting > elapsed else None


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a waiting job has before it. `soon` is whether it may start any moment."""

    entry: Entry
    position: int
    soon: bool
    #: Only because it is large: a slot is free.
    held_back: bool
    starts_in: timedelta | None


@dataclass(frozen=True)
class Forecast:
    """What is to be expected of every job that runs or waits. `left` has those that run and have a basis."""

    slots: int
    large_at_once: int
    running: tuple[Entry, ...]
    waiting: tuple[Outlook, ...]
    left: Mapping[uuid.UUID, timedelta]

    def outlook(self, pk: uuid.UUID) -> Outlook | None:
        return self._outlooks.get(pk)

    def ahead(self, outlook: Outlook) -> Sequence[Entry]:
        """The jobs that come before that one; none when it may start any moment."""
        before = self.waiting[: outlook.position - 1]
        return () if outlook.soon else (*self.running, *(each.entry for each in before))

    def missed(self, *, running: Set[uuid.UUID], waiting: Set[uuid.UUID]) -> Set[uuid.UUID]:
        """Those of the jobs that it takes for something else than what they are by now."""
        return (waiting - self._outlooks.keys()) | (running & self._outlooks.keys())

    @cached_property
    def _outlooks(self) -> dict[uuid.UUID, Outlook]:
        return {outlook.entry.pk: outlook for outlook in self.waiting}


def forecast() -> Forecast:
    """Of the line as it is now. Three queries at most, and one for each kind of job in it."""
    now = line()
    return foretold(now, speeds({entry.kind for entry in (*now.running, *now.waiting)}))


class Lookout:
    """The last forecast, for as long as it will do: many people ask, and the line is the same for all."""

    def __init__(self, *, seconds: float) -> None:
        self.seconds = seconds
        self._made: Forecast | None = None
        self._until = 0.0
        self._missed: Set[uuid.UUID] = frozenset()
        self._making = threading.Lock()

    def forecast(self, *, running: Set[uuid.UUID], waiting: Set[uuid.UUID]) -> Forecast:
        """One that knows that these jobs run and wait, made less than `seconds` ago.

        It is longer ago where a forecast takes long, as with a thousand jobs in the line.
        """
        with self._making:
            began = time.monotonic()
            if self._made is None or began >= self._until:
                self._made, self._missed = forecast(), frozenset()
            elif self._made.missed(running=running, waiting=waiting) - self._missed:
                self._made = forecast()
            else:
                return self._made
            now = time.monotonic()
            self._until = now + max(self.seconds, _RESTS * (now - began)) if self.seconds else 0.0
            # Those at the far end of a long line no forecast knows; to make another would be in vain.
            self._missed |= self._made.missed(running=running, waiting=waiting)
            return self._made


#: What the pages ask.
lookout = Lookout(seconds=1.0)


def speeds(wanted: Collection[str]) -> Speeds:
    """How long the last jobs of the `wanted` kinds took. A query a kind."""
    taken: dict[tuple[str, str], list[tuple[int, float]]] = defaultdict(list)
    for kind in kinds():
        label = kind._meta.label_lower
        if label in wanted and not kind.is_piece:
            done: Any = kind._default_manager.filter(state=State.FINISHED, workload__gt=0, attempts=1)
            flavor = F(kind.flavor) if kind.flavor else Value("")
            columns = (flavor, "workload", "started_at", "finished_at")
            for name, workload, start, end in done.order_by("-finished_at").values_list(*columns)[:_REMEMBERED]:
                taken[label, name].append((workload, (end - start).total_seconds()))
    return Speeds(taken)


def foretold(now: Line, speeds: Speeds) -> Forecast:
    """The line `now` played through to its end; `now` is used up by that."""
    left = {entry.pk: speeds.left(entry, now=now.now) for entry in now.running}
    slots, running = now.slots, tuple(now.running)
    full, room = len(running) >= max(slots, 1), now.has_room_for_large
    large_at_once = now.large_at_once
    waiting = [each for each in _played(now, speeds, left) if not each[0].is_piece]
    outlooks = tuple(
        Outlook(
            entry=entry,
            position=place,
            soon=soon,
            held_back=entry.large and not full and not room,
            starts_in=None if seconds is None or not slots else timedelta(seconds=seconds),
        )
        for place, (entry, soon, seconds) in enumerate(waiting, start=1)
    )
    known = {pk: timedelta(seconds=seconds) for pk, seconds in left.items() if seconds is not None}
    return Forecast(slots, large_at_once, running, outlooks, known)


def _played(
    now: Line, speeds: Speeds, left: Mapping[uuid.UUID, float | None]
) -> list[tuple[Entry, bool, float | None]]:
    """Who waits, in the order of their turns: whether at once, and in how many seconds, if that can be known."""
    order, tie, clock, is_known = [], count(), 0.0, True
    begun, slots = now.now, max(now.slots, 1)
    ends = [(seconds or _GUESSED[entry.large], next(tie), entry) for entry, seconds in _with(now.running, left)]
    sure = {entry.pk for entry, seconds in _with(now.running, left) if seconds is not None}
    heapq.heapify(ends)
    while True:
        if len(ends) < slots and (entry := now.next()) is not None:
            lasting = speeds.lasting(entry)
            sure |= {entry.pk} if lasting is not None else set()
            heapq.heappush(ends, (clock + (lasting or _GUESSED[entry.large]), next(tie), entry))
            now.start(entry)
            order.append((entry, not clock, clock if is_known else None))
        elif ends and not now.is_empty:
            clock, _, over = heapq.heappop(ends)
            is_known = is_known and over.pk in sure
            now.running.remove(over)
            now.now = begun + timedelta(seconds=clock)
        else:
            return order


def _with(entries: Sequence[Entry], left: Mapping[uuid.UUID, float | None]) -> list[tuple[Entry, float | None]]:
    return [(entry, left[entry.pk]) for entry in entries]


def about(span: timedelta) -> str:
    """`span` as one says it: `about 2 min`; empty where it is a matter of seconds."""
    seconds = span.total_seconds()
    if seconds < 10:
        return ""
    if seconds < 55:
        return f"about {round(seconds, -1):.0f} s"
    if seconds < 55 * 60:
        return f"about {max(round(seconds / 60), 1)} min"
    return f"about {max(round(seconds / 3600), 1)} h"
