"""Whose turn it is: nobody is starved, whoever else asks for whatever."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.jobs.entries import ANA, BEN, BOREALIS, CHLOE, at, entry
from vi_portal.jobs.line import PATIENCE, Entry, Line, Person


def started(line: Line) -> list[Entry]:
    """All that starts now, one after the other, until there is no slot or nobody may."""
    begun: list[Entry] = []
    while len(line.running) < line.slots and (turn := line.next()) is not None:
        line.start(turn)
        begun.append(turn)
    return begun


def one_by_one(line: Line, *, seconds: float = 1) -> list[Entry]:
    """The order in which a single slot does them, each taking so long."""
    done: list[Entry] = []
    while (turn := line.next()) is not None:
        line.start(turn)
        line.running.clear()
        line.now += timedelta(seconds=seconds)
        done.append(turn)
    return done


def test_the_oldest_of_a_person_is_first() -> None:
    first, second, third = entry(after=0), entry(after=1), entry(after=2)
    assert one_by_one(Line(1, [third, first, second], now=at(3))) == [first, second, third]


def test_who_asks_for_many_lets_others_in_between() -> None:
    many = [entry(ANA, after=number) for number in range(4)]
    late = [entry(BEN, after=10), entry(BEN, after=11)]
    assert one_by_one(Line(1, [*many, *late], now=at(12))) == [many[0], late[0], many[1], late[1], many[2], many[3]]


def test_organizations_take_turns_before_their_people_do() -> None:
    acme = [entry(person, after=number) for number, person in enumerate((ANA, BEN, ANA, BEN))]
    other = [entry(CHLOE, after=10), entry(CHLOE, after=11)]
    assert one_by_one(Line(1, [*acme, *other], now=at(12))) == [
        *(acme[0], other[0], acme[1], other[1]),
        *(acme[2], acme[3]),
    ]


def test_who_has_the_least_running_is_first() -> None:
    line = Line(3, [entry(ANA, after=1), ben := entry(BEN, after=2)], running=[entry(ANA)], now=at(3))
    assert line.next() == ben


def test_one_slot_does_small_ones_first() -> None:
    large, small = entry(large=True, after=0), entry(BEN, after=5)
    assert one_by_one(Line(1, [large, small], now=at(6))) == [small, large]


def test_a_large_job_that_waited_long_is_not_let_wait_on_and_is_no_second_time_in_a_row() -> None:
    larges = [entry(large=True, after=0), entry(large=True, after=1)]
    smalls = [entry(BEN, after=2), entry(BEN, after=3)]
    line = Line(1, [*larges, *smalls], now=at(10) + PATIENCE)
    assert one_by_one(line) == [larges[0], smalls[0], larges[1], smalls[1]]


def test_a_slot_is_kept_from_large_jobs() -> None:
    larges = [entry(large=True, after=number) for number in range(3)]
    line = Line(2, larges, now=at(500))
    assert started(line) == larges[:1]
    line = Line(3, larges, now=at(500))
    assert started(line) == larges[:2]


def test_a_large_job_of_ones_own_is_nothing_against_a_small_one() -> None:
    anas, bens = entry(ANA, after=5), entry(BEN, after=6)
    line = Line(2, [anas, bens], running=[entry(ANA, large=True)], now=at(7))
    assert line.next() == anas


def test_pieces_take_what_is_left() -> None:
    piece, small, large = entry(is_piece=True), entry(after=5), entry(BEN, large=True, after=6)
    assert one_by_one(Line(1, [piece, large, small], now=at(7))) == [small, large, piece]
    line = Line(2, [piece, large], running=[entry(large=True)], now=at(7))
    assert started(line) == [piece]


# Whatever comes


SLOTS = st.integers(min_value=1, max_value=4)
PEOPLE = st.sampled_from([ANA, BEN, CHLOE, Person(BOREALIS, None)])
JOBS = st.lists(st.tuples(PEOPLE, st.booleans(), st.integers(0, 200), st.booleans()), max_size=30)


@given(SLOTS, JOBS)
@settings(max_examples=60, deadline=None)
def test_everybody_comes_and_never_two_at_once(slots: int, asked: list[tuple[Person, bool, int, bool]]) -> None:
    jobs = [entry(who, large=large, after=when, is_piece=piece) for who, large, when, piece in asked]
    line, done = Line(slots, jobs, now=at(300)), []
    while not line.is_empty or line.running:
        begun = started(line)
        assert len({each.pk for each in line.running}) == len(line.running) <= slots
        assert sum(each.large and not each.is_piece for each in line.running) <= max(slots - 1, 1)
        assert line.running, "somebody waits, a slot is free, and nobody starts"
        done += begun
        line.running.pop(0)
        line.now += timedelta(seconds=7)
    assert Counter(each.pk for each in done) == Counter(job.pk for job in jobs)


@given(SLOTS, st.lists(st.booleans(), min_size=1, max_size=4), st.lists(st.integers(1, 30), min_size=8, max_size=8))
@settings(max_examples=60, deadline=None)
def test_no_stream_of_other_peoples_jobs_starves_a_job(slots: int, kinds: list[bool], lasting: list[int]) -> None:
    """Others ask without end, for what `kinds` says; Chloé's one job, of either size, comes all the same."""
    for mine in (False, True):
        wanted = entry(CHLOE, large=mine, after=1)
        line, others = Line(slots, [wanted], now=at(1)), 0
        ends: list[tuple[datetime, Entry]] = []
        while wanted not in line.running:
            flood = [entry(person, large=large, after=0) for person in (ANA, BEN) for large in kinds]
            again = [queued for queues in line._whole.values() for queue in queues.values() for queued in queue]
            line = Line(slots, [*again, *flood], line.running, line.served, line.now)
            for turn in started(line):
                ends.append((line.now + timedelta(seconds=lasting[others % 8] * (4 if turn.large else 1)), turn))
                others += 1
            moment, over = min(ends, key=lambda end: end[0])
            ends.remove((moment, over))
            if over in line.running and wanted not in line.running:
                line.running.remove(over)
            line.now = max(line.now, moment)
            assert line.now - at(1) <= PATIENCE + timedelta(seconds=3 * 4 * 30), "starved"
