"""Messages that are lost, late or doubled, and a broker that is away, hangs or loses patience."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from celery import current_app
from django.conf import settings

from exports.models import ExportJob, ExportShard
from tests.faults.strikes import Round, under_way
from tests.faults.team import wait_until
from tests.faults.world import jobs, seen
from tests.services.servers import RabbitMQ
from vi_portal.jobs.models import ACTIVE, State


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


def _waiting() -> list[ExportJob]:
    """The exports that no worker has taken yet."""
    return [job for job in jobs() if job.state == State.QUEUED]
