"""Who asks, for which jobs, and when: the line without a database."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from itertools import count

from vi_portal.jobs.line import Entry, Person

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ACME, BOREALIS = uuid.UUID(int=1), uuid.UUID(int=2)
ANA, BEN, CHLOE = Person(ACME, 1), Person(ACME, 2), Person(BOREALIS, 3)

_numbers = count(1)


def entry(person: Person = ANA, *, large: bool = False, after: float = 0, is_piece: bool = False) -> Entry:
    """A job requested so many seconds after noon."""
    pk = uuid.UUID(int=next(_numbers))
    created = NOON + timedelta(seconds=after)
    return Entry("exports.exportjob", pk, person, created, large=large, is_piece=is_piece)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)
