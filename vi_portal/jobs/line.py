"""Whose turn it is: every job that runs or waits, of any kind, in one line.

Exports and imports share the workers. Small jobs come before large ones; the organizations, and in each its people,
take turns: least running first, then who was served longest ago, then the oldest job. Where there are two slots or
more, one is kept from large jobs. A large job that has waited for a while comes before the small ones, but never two
times in a row. Pieces of a running export take what is left: they are short, and their export needs nobody.
"""

from __future__ import annotations

import uuid
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from django.db.models import F, Max, Q, Value
from django.db.models.functions import Now
from django.utils import timezone

from vi_portal.jobs.models import Job, State, Worker, kinds

#: So long small jobs are let pass before a large one that waits.
PATIENCE = timedelta(seconds=60)
#: Who was served longer ago than this is as good as never served.
_MEMORY = timedelta(hours=1)
#: Jobs farther back are not looked at until they have come nearer, and pieces are behind all others.
_LONGEST_LINE = 1_000
_NEVER = datetime.min.replace(tzinfo=UTC)
_COLUMNS = ("pk", "worker", "state", "created_at", "started_at", "large", "workload", "percent", "attempts")


@dataclass(frozen=True, slots=True)
class Person:
    """Who takes turns: a user in an organization. Jobs whose user is unknown are of one person."""

    organization: uuid.UUID
    user: int | None


@dataclass(frozen=True, slots=True)
class Entry:
    """One job in the line. `kind` is the label of its model."""

    kind: str
    pk: uuid.UUID
    person: Person
    created_at: datetime
    large: bool = False
    is_piece: bool = False
    workload: int = 0
    flavor: str = ""
    worker: str = ""
    started_at: datetime | None = None
    percent: int = 0
    attempts: int = 0

    @property
    def model(self) -> type[Job]:
        return _model(self.kind)


@dataclass
class Line:
    """Who runs, who waits, and who was served when, `now`.

    `running` are the jobs that hold one of the `slots`. `served` has for small jobs (False) and large ones (True)
    when each person was served last.
    """

    slots: int
    waiting: Iterable[Entry] = ()
    running: list[Entry] = field(default_factory=list)
    served: dict[bool, dict[Person, datetime]] = field(default_factory=lambda: {False: {}, True: {}})
    now: datetime = field(default_factory=timezone.now)

    def __post_init__(self) -> None:
        self._whole: dict[bool, dict[Person, deque[Entry]]] = {False: defaultdict(deque), True: defaultdict(deque)}
        self._pieces: deque[Entry] = deque()
        for entry in sorted(self.waiting, key=lambda entry: (entry.created_at, entry.pk)):
            (self._pieces if entry.is_piece else self._whole[entry.large][entry.person]).append(entry)

    def next(self) -> Entry | None:
        """Whose turn it is, if anybody may start now; it does not wait any more."""
        for large in self._classes():
            if heads := [queue[0] for queue in self._whole[large].values() if queue]:
                entry = min(heads, key=self._ranking(large))
                self._whole[large][entry.person].popleft()
                return entry
        return self._pieces.popleft() if self._pieces else None

    def start(self, entry: Entry) -> None:
        """`entry`, whose turn it was, runs from `now` on."""
        self.running.append(entry)
        if not entry.is_piece:
            self.served[entry.large][entry.person] = self.now

    @property
    def is_empty(self) -> bool:
        """Whether nobody waits."""
        return not self._pieces and not any(queue for queues in self._whole.values() for queue in queues.values())

    @property
    def large_at_once(self) -> int:
        """How many large jobs may run at the same time."""
        return max(self.slots - 1, 1)

    @property
    def has_room_for_large(self) -> bool:
        return sum(entry.large for entry in self.running) < self.large_at_once

    def _classes(self) -> Sequence[bool]:
        """The classes of jobs that may start, in order: False is small, True large."""
        if not self.has_room_for_large:
            return [False]
        oldest = min((queue[0].created_at for queue in self._whole[True].values() if queue), default=self.now)
        last = {large: max(served.values(), default=_NEVER) for large, served in self.served.items()}
        overdue = self.now - oldest > PATIENCE and last[True] <= last[False]
        return [True, False] if overdue else [False, True]

    def _ranking(self, large: bool) -> Any:
        """By what the jobs of a class are ordered."""
        busy = [entry.person for entry in self.running if entry.large == large and not entry.is_piece]
        people, organizations = Counter(busy), Counter(person.organization for person in busy)
        served = self.served[large]
        lately: dict[uuid.UUID, datetime] = {}
        for person, moment in served.items():
            lately[person.organization] = max(moment, lately.get(person.organization, _NEVER))

        def rank(entry: Entry) -> Any:
            person, organization = entry.person, entry.person.organization
            first = (organizations[organization], lately.get(organization, _NEVER))
            return *first, people[person], served.get(person, _NEVER), entry.created_at, entry.pk

        return rank


def line(*, announced: bool = False) -> Line:
    """The line as the database has it; with `announced`, only of jobs that a worker may take now. At most 3 queries."""
    alive = list(Worker.alive().values_list("name", "slots", Now()))
    workers = {name: slots for name, slots, _ in alive}
    now = alive[0][2] if alive else timezone.now()  # as the rows have it: clocks of machines differ
    running, waiting = [], []
    for row in _rows(announced=announced):
        entry = _entry(row)
        if row["state"] == State.QUEUED:
            waiting.append(entry)
        elif entry.worker in workers and not entry.is_piece:
            running.append(entry)
    running.sort(key=lambda entry: (entry.started_at or _NEVER, entry.pk))
    turns = {(entry.large, entry.person) for entry in waiting if not entry.is_piece}
    # Where one person's jobs of one size are all that waits, the oldest is next in any case.
    served = _served() if len(turns) > 1 else {False: {}, True: {}}
    return Line(sum(workers.values()), waiting, running, served, now)


def _rows(*, announced: bool) -> Iterable[dict[str, Any]]:
    queries: list[Any] = []
    for kind in kinds():
        condition = kind.announced() if announced else kind.waiting()
        rows: Any = kind._default_manager.filter(condition | Q(state=State.RUNNING))
        queries.append(
            rows.order_by().values(
                *_COLUMNS,
                kind=Value(kind._meta.label_lower),
                piece=Value(kind.is_piece),
                organization=F("dataset__organization_id"),
                person=F(kind.owner),
                kind_flavor=F(kind.flavor) if kind.flavor else Value(""),
            )
        )
    in_line: Any = queries[0].union(*queries[1:], all=True).order_by("piece", "created_at", "pk")
    return list(in_line[:_LONGEST_LINE])


def _entry(row: dict[str, Any]) -> Entry:
    return Entry(
        kind=row["kind"],
        pk=row["pk"],
        person=Person(row["organization"], row["person"]),
        is_piece=bool(row["piece"]),
        flavor=row["kind_flavor"],
        **{name: row[name] for name in _COLUMNS if name not in ("pk", "state")},
    )


def _served() -> dict[bool, dict[Person, datetime]]:
    queries: list[Any] = []
    for kind in kinds():
        if not kind.is_piece:
            rows: Any = kind._default_manager.filter(started_at__gte=Now() - _MEMORY)
            grouped = rows.order_by().values("large", org=F("dataset__organization_id"), person=F(kind.owner))
            queries.append(grouped.annotate(last=Max("started_at")))
    served: dict[bool, dict[Person, datetime]] = {False: {}, True: {}}
    for row in queries[0].union(*queries[1:], all=True):
        person, moments = Person(row["org"], row["person"]), served[row["large"]]
        moments[person] = max(row["last"], moments.get(person, _NEVER))
    return served


@cache
def _model(label: str) -> type[Job]:
    return next(kind for kind in kinds() if kind._meta.label_lower == label)
