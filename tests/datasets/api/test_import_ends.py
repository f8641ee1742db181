"""Imports that come to nothing: given up, damaged, too late, cancelled, or forgotten. Each says so."""

from __future__ import annotations

import shutil
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from datasets import leftovers
from datasets.imports import runner
from datasets.models import Dataset, ImportJob, ImportSession
from tests.api.calling import client_of, message
from tests.datasets.api.calling import sent
from tests.datasets.api.sender import Sender, conditions, lines, said
from vi_portal.accounts.models import User
from vi_portal.jobs.models import State

# A job's lease is kept over a connection of its own.
pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "snapshot"])


@pytest.fixture(autouse=True)
def nobody_waits(settings: Any) -> None:
    """No worker runs here, so no answer waits for one."""
    settings.EXPORT_WAITERS = 0


@pytest.mark.parametrize(("reason", "echoed"), [("CancelledByUser",) * 2, ("Boredom", "UserUploadErrored")])
def test_a_sender_that_gives_up_hears_of_it(ana: User, valves: Dataset, reason: str, echoed: str) -> None:
    sender = Sender(client_of(ana), valves)
    sender.announce(a_jsonl=b"{}")
    assert sender.tell("FailedReach", reason=reason).status_code == 200
    [failed] = [each for each in sender.status()["conditions"] if each["status"] == "FailedReach"]
    assert (failed["condition"], failed["reason"]) == ("FilesInserted", echoed)
    assert sender.tell().status_code == 409
    assert not ImportJob.objects.exists()


def test_a_file_that_did_not_come_or_came_damaged_is_named(ana: User, valves: Dataset) -> None:
    sender = Sender(client_of(ana), valves)
    content = lines(said("One"))
    upload = sender.announce(a_jsonl=content).json()["files"]["a.jsonl"]
    assert "a.jsonl" in message(sender.tell())
    assert sender.put(upload, content[:-2]).status_code == 400
    assert sender.put(upload, content[:-2] + b"x\n").status_code == 400
    assert sender.put(upload, content).status_code == 200
    assert sender.tell().status_code == 200


def test_a_session_past_its_time_fails_and_its_files_are_swept_up(ana: User, valves: Dataset) -> None:
    sender = Sender(client_of(ana), valves)
    content = lines(said("One"))
    upload = sender.announce(a_jsonl=content).json()["files"]["a.jsonl"]
    sender.put(upload, content)
    folder = ImportSession.objects.get().folder
    leftovers.discard()
    assert folder.exists()
    ImportSession.objects.update(upload_before=timezone.now() - timedelta(hours=2))
    assert conditions(sender.status())["Files did not arrive in time"] == "FailedReach"
    assert sender.put(upload, content).status_code == 409
    leftovers.discard()
    assert not folder.exists()


def test_an_import_whose_files_or_dataset_are_gone_says_so(
    ana: User, valves: Dataset, caplog: pytest.LogCaptureFixture
) -> None:
    sender, content = Sender(client_of(ana), valves), lines(said("One"))
    for what in ("files", "dataset"):
        sender = Sender(client_of(ana), valves)
        sender.put(sender.announce(a_jsonl=content).json()["files"]["a.jsonl"], content)
        sender.tell()
        job = ImportJob.objects.get(session=sender.id)
        if what == "files":
            shutil.rmtree(job.session.folder)
        else:
            Dataset.objects.update(deleted_at=timezone.now())
        runner.run(job.pk, worker="test")
        job.refresh_from_db()
        assert job.state == State.FAILED
        assert what in job.failure
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_a_cancelled_import_writes_nothing_more(ana: User, valves: Dataset) -> None:
    sender = Sender(client_of(ana), valves)
    content = lines(said("One"))
    sender.put(sender.announce(a_jsonl=content).json()["files"]["a.jsonl"], content)
    sender.tell()
    job = ImportJob.objects.get()
    job.cancel(by="Ana")
    runner.run(job.pk, worker="test")
    assert not valves.assets.exists()
    assert conditions(sender.status())["Cancelled by Ana."] == "FailedReach"


def test_an_import_is_cancelled_before_and_after_it_began(ana: User, valves: Dataset) -> None:
    cancelled = {"spec": {"status": "Cancelled"}}
    early = Sender(client_of(ana), valves)
    told = sent(early.client, "PATCH", early.at("/status"), cancelled).json()["status"]["conditions"]
    assert [each["reason"] for each in told if each["status"] == "FailedReach"] == ["CancelledByUser"]
    late = Sender(client_of(ana), valves)
    [slot] = late.announce(a_jsonl=lines(said("One"))).json()["files"].values()
    late.put(slot, lines(said("One")))
    late.tell()
    told = sent(late.client, "PATCH", late.at("/status"), cancelled).json()["status"]["conditions"]
    assert [each["condition"] for each in told if each["status"] == "FailedReach"] == ["Cancelled by Ana."]
    again = sent(late.client, "PATCH", late.at("/status"), cancelled)
    assert (again.status_code, "is over" in message(again)) == (409, True)


def test_a_session_nobody_came_back_to_is_forgotten_after_a_month(ana: User, valves: Dataset) -> None:
    forgotten, recent, done = (Sender(client_of(ana), valves) for _ in range(3))
    done.send(a_jsonl=lines(said("One")))
    ended = {forgotten: timedelta(days=31), recent: timedelta(days=29), done: timedelta(days=400)}
    for sender, ago in ended.items():
        ImportSession.objects.filter(pk=sender.id).update(upload_before=timezone.now() - ago)

    leftovers.discard()

    assert [sender.client.get(sender.at()).status_code for sender in ended] == [404, 200, 200]
