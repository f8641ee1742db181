"""Which faults a portal can have, how often each comes, and what an export may say that failed of it."""

from __future__ import annotations

from tests.faults.strikes import (
    Strike,
    a_clock_is_wrong,
    a_machine_with_a_worker_is_lost,
    a_worker_sleeps_past_its_lease,
    both_workers_are_lost,
    every_attempt_is_killed,
    the_process_that_does_the_job_is_killed,
    the_worker_is_killed,
)
from tests.faults.strikes_on_the_broker import (
    each_message_is_delivered_three_times,
    the_broker_gives_up_on_messages,
    the_broker_hangs_when_exports_are_asked_for,
    the_broker_is_away_when_exports_are_asked_for,
    the_broker_loses_everything,
    the_web_server_dies_before_it_rings,
)
from tests.faults.strikes_on_the_ground import (
    the_database_is_killed,
    the_database_is_locked,
    the_disk_is_full,
    the_whole_portal_is_killed,
)
from tests.faults.strikes_on_the_store import (
    the_store_fails_and_dawdles,
    the_store_hangs,
    the_store_is_away,
    the_worker_is_killed_while_it_sends,
)
from tests.faults.team import Team, wrong_clocks
from tests.services.servers import RabbitMQ

#: What kills workers, wherever they are.
KILLS: list[Strike] = [
    the_worker_is_killed,
    the_process_that_does_the_job_is_killed,
    the_worker_is_killed,
    the_process_that_does_the_job_is_killed,
    a_machine_with_a_worker_is_lost,
    both_workers_are_lost,
    every_attempt_is_killed,
]
_MESSAGES: list[Strike] = [
    the_broker_loses_everything,
    the_broker_is_away_when_exports_are_asked_for,
    the_web_server_dies_before_it_rings,
    each_message_is_delivered_three_times,
]
_STORE: list[Strike] = [
    the_store_fails_and_dawdles,
    the_store_fails_and_dawdles,
    the_store_is_away,
    the_store_hangs,
    the_worker_is_killed_while_it_sends,
    the_worker_is_killed_while_it_sends,
    the_worker_is_killed_while_it_sends,
]

#: The reasons an export may fail for, by the fault. By any other fault, none may fail.
REASONS: dict[Strike, str] = {
    the_disk_is_full: "The disk is full",
    every_attempt_is_killed: "The worker stopped unexpectedly 6 times.",
    the_store_fails_and_dawdles: "The file store ",
    the_store_is_away: "The file store ",
}


def deck(team: Team) -> list[Strike]:
    """The faults this portal can have, as often as they should come."""
    strikes = [*KILLS, a_worker_sleeps_past_its_lease]
    if team.store:
        return [*strikes, *_STORE]  # what befalls broker and database is the same as without a store
    strikes += _MESSAGES
    strikes += [the_database_is_killed] if team.database else [the_database_is_locked, the_whole_portal_is_killed]
    if team.has_own_disk:
        strikes.append(the_disk_is_full)
    if isinstance(team.broker, RabbitMQ):
        strikes.append(the_broker_gives_up_on_messages)
    if team.broker:
        strikes.append(the_broker_hangs_when_exports_are_asked_for)
    if team.database and wrong_clocks():  # on one machine there is one clock
        strikes.append(a_clock_is_wrong)
    return strikes


def left_out(team: Team) -> list[str]:
    """What cannot be tried here, and why."""
    reasons = []
    if not team.has_own_disk:
        reasons.append("the_disk_is_full: only root may mount a small disk.")
    if team.database and not wrong_clocks():
        reasons.append("a_clock_is_wrong: there is no libfaketime; on Debian: apt-get install faketime")
    return reasons
