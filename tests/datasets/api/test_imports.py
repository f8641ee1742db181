"""Annotation files sent to an import session: what is read of them, by whom, and when."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest
from django.test import RequestFactory

from datasets.api import imports
from datasets.imports import runner, sessions
from datasets.imports.sessions import SessionRefused
from datasets.models import Dataset, ImportFile, ImportJob, ImportSession
from tests.api.calling import client_of, message
from tests.datasets.api.calling import path, sent
from tests.datasets.api.sender import BAD, SESSIONS, Sender, announced, captions, conditions, lines, said
from vi_portal.accounts.models import User
from vi_portal.jobs.models import State

# A job's lease is kept over a connection of its own.
pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "snapshot"])


@pytest.fixture(autouse=True)
def nobody_waits(settings: Any) -> None:
    """No worker runs here, so no answer waits for one."""
    settings.EXPORT_WAITERS = 0


def test_the_files_are_read_by_a_job_and_then_removed(ana: User, valves: Dataset) -> None:
    sender = Sender(client_of(ana), valves)
    assert conditions(sender.status()) == {"Complete": "Waiting", "FilesInserted": "Waiting"}
    job = sender.send(a_jsonl=lines(said("One")), b_jsonl=lines(said("Two", id="a2"), said("Three", id="a3")))
    assert (job.state, job.files) == (State.FINISHED, 2)
    assert captions(valves) == ["One", "Three", "Two"]
    status = sender.status()
    assert conditions(status) == {"Complete": "Reached", "FilesInserted": "Reached"}
    assert status["annotations"]["statusCount"] == {"Created": 3}
    assert status["files"]["pageCount"] == 2
    assert not job.session.folder.exists()


def test_who_asks_while_the_job_is_on_its_way_is_held_back_and_sent_here_again(
    ana: User, valves: Dataset, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender = Sender(client_of(ana), valves)
    [slot] = sender.announce(a_jsonl=lines(said("One"))).json()["files"].values()
    sender.put(slot, lines(said("One")))
    sender.tell()
    settings.EXPORT_WAITERS = 16
    monkeypatch.setattr(imports, "POLLED_SECONDS", 0.01)
    held = sender.client.get(sender.at())
    assert (held.status_code, held["Location"]) == (307, "?round=1")
    assert conditions(held.json()["status"]) == {"Complete": "Waiting", "FilesInserted": "Reached"}


def test_a_whole_folder_of_an_export_may_be_sent(ana: User, valves: Dataset) -> None:
    sender = Sender(client_of(ana), valves)
    files = {"export.json": b'{"dataset": "Valves"}', "metadata.json": b'{"name": "Valves"}'}
    job = sender.send(a_jsonl=lines(said("One")), **files)
    assert (job.state, captions(valves)) == (State.FINISHED, ["One"])
    logs = sender.client.get(sender.at("/logs")).json()["items"]
    assert [sentence.partition(" ")[0] for sentence in logs[:2]] == ["“export.json”", "“metadata.json”"]


def test_a_file_on_its_own_is_read_whatever_it_is_called(ana: User, valves: Dataset) -> None:
    job = Sender(client_of(ana), valves).send(**{"metadata.json": lines(said("One"))})
    assert (job.state, captions(valves)) == (State.FINISHED, ["One"])


def test_telling_twice_that_all_is_here_makes_one_job(ana: User, valves: Dataset) -> None:
    sender = Sender(client_of(ana), valves)
    sender.send(a_jsonl=lines(said("One")))
    assert sender.tell().status_code == 200
    assert ImportJob.objects.count() == 1
    assert sender.announce(b_jsonl=b"{}").status_code == 409


def test_a_file_that_is_on_its_way_when_the_import_begins_changes_nothing(ana: User, valves: Dataset) -> None:
    sender, content = Sender(client_of(ana), valves), lines(said("One"))
    sender.put(sender.announce(a_jsonl=content).json()["files"]["a.jsonl"], content)
    slot = ImportFile.objects.select_related("session").get()
    sender.tell()
    with pytest.raises(SessionRefused, match="takes no more files"):
        sessions.receive(slot, RequestFactory().put("/", content, content_type="application/octet-stream"))
    with pytest.raises(SessionRefused, match="takes no more files"):
        sessions.announce(slot.session, [sessions.Announced("a.jsonl", 1)])
    runner.run(ImportJob.objects.get().pk, worker="test")
    assert captions(valves) == ["One"]


def test_a_file_that_is_announced_anew_while_it_is_on_its_way_is_waited_for(ana: User, valves: Dataset) -> None:
    sender, content = Sender(client_of(ana), valves), lines(said("One"))
    before = sender.announce(a_jsonl=content).json()
    slot = ImportFile.objects.select_related("session").get()
    assert sender.announce(a_jsonl=lines(said("One more"))).json().keys() == before.keys()
    assert ImportFile.objects.get().pk == slot.pk
    with pytest.raises(SessionRefused, match="anew"):
        sessions.receive(slot, RequestFactory().put("/", content, content_type="application/octet-stream"))
    assert "a.jsonl" in message(sender.tell())


def test_a_name_leads_out_of_no_folder(ana: User, valves: Dataset, settings: Any) -> None:
    sender = Sender(client_of(ana), valves)
    content = lines(said("One"))
    body = {"files": {"../../../evil.jsonl": announced(content)}}
    [upload] = sent(sender.client, "POST", sender.at("/files"), body).json()["files"].values()
    sender.put(upload, content)
    folder = ImportSession.objects.get().folder
    [file] = [each for each in Path(settings.UPLOAD_DIR).rglob("*") if each.is_file()]
    assert file.is_relative_to(folder)


def test_sessions_and_their_logs_are_told_to_their_organization_alone(ana: User, chloe: User, valves: Dataset) -> None:
    sender = Sender(client_of(ana), valves, onBadAnnotation="Warn")
    sender.send(bad_jsonl=BAD)
    assert "bad.jsonl:2" in sender.client.get(sender.at("/logs")).json()["items"][0]
    assert [
        each["annotationImportSessionId"] for each in sender.client.get(path(valves, SESSIONS)).json()["items"]
    ] == [sender.id]
    for address in (sender.at(), sender.at("/logs"), path(valves, SESSIONS)):
        assert client_of(chloe).get(address).status_code == 404
    assert sender.client.get(path(valves, f"{SESSIONS}/{uuid.uuid4()}")).status_code == 404


def test_a_viewer_may_watch_and_not_send(ana: User, ben: User, valves: Dataset) -> None:
    sender = Sender(client_of(ana), valves)
    viewer = client_of(ben)
    assert viewer.get(sender.at()).status_code == 200
    assert sent(viewer, "POST", sender.at("/files"), {"files": {}}).status_code == 403
    assert sent(viewer, "PATCH", sender.at("/status"), {"status": {"conditions": []}}).status_code == 403
