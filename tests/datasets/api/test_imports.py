"""Annotation files sent to an import session: the policies, the job, and what becomes of the files."""

from __future__ import annotations

import base64
import json
import shutil
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import google_crc32c
import pytest
from django.test import Client, RequestFactory
from django.utils import timezone

from datasets import leftovers
from datasets.api import imports
from datasets.imports import runner, sessions
from datasets.imports.sessions import SessionRefused
from datasets.models import Dataset, ImportFile, ImportJob, ImportSession
from tests import cast
from tests.api.calling import client_of, message
from tests.datasets.api.calling import path, sent
from tests.datasets.imports.importing import line
from vi_portal.accounts.models import User
from vi_portal.jobs.models import State

SESSIONS = "/annotationImportSessions"
# A job's lease is kept over a connection of its own.
pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "snapshot"])


@pytest.fixture(autouse=True)
def nobody_waits(settings: Any) -> None:
    """No worker runs here, so no answer waits for one."""
    settings.EXPORT_WAITERS = 0


def lines(*records: Any) -> bytes:
    return b"".join((each if isinstance(each, bytes) else json.dumps(each).encode()) + b"\n" for each in records)


def announced(content: bytes) -> dict[str, Any]:
    crc = google_crc32c.value(content).to_bytes(4, "big")
    return {"sizeBytes": len(content), "crc32c": base64.b64encode(crc).decode(), "kind": "Unknown"}


class Sender:
    """A client that sends files to a session of `dataset`, as the vendor's does."""

    def __init__(self, client: Client, dataset: Dataset, **policies: str) -> None:
        self.client, self.dataset = client, dataset
        body = {"spec": {"failurePolicies": policies, "source": "UploadedIndividualFiles"}}
        response = sent(client, "POST", path(dataset, SESSIONS), body)
        assert response.status_code == 201, response.content
        self.id = response.json()["annotationImportSessionId"]

    def at(self, below: str = "") -> str:
        return path(self.dataset, f"{SESSIONS}/{self.id}{below}")

    def announce(self, **files: bytes) -> Any:
        body = {"files": {name.replace("_jsonl", ".jsonl"): announced(content) for name, content in files.items()}}
        return sent(self.client, "POST", self.at("/files"), body)

    def put(self, upload: dict[str, Any], content: bytes) -> Any:
        url = urlsplit(upload["url"])
        return Client().put(f"{url.path}?{url.query}", content, content_type="application/octet-stream")

    def tell(self, status: str = "Reached", **more: str) -> Any:
        body = {"status": {"conditions": [{"condition": "FilesInserted", "status": status} | more]}}
        return sent(self.client, "PATCH", self.at("/status"), body)

    def send(self, **files: bytes) -> ImportJob:
        slots = self.announce(**files).json()["files"]
        for (name, upload), content in zip(slots.items(), files.values(), strict=True):
            assert self.put(upload, content).json() == {"name": name, "sizeBytes": len(content)}
        assert self.tell().status_code == 200
        job = ImportJob.objects.get(session=self.id)
        runner.run(job.pk, worker="test")
        job.refresh_from_db()
        return job

    def status(self) -> dict[str, Any]:
        return dict(self.client.get(self.at()).json()["status"])


def conditions(status: dict[str, Any]) -> dict[str, str]:
    return {each["condition"]: each["status"] for each in status["conditions"]}


def captions(dataset: Dataset) -> list[str]:
    found = [annotation.parsed for asset in dataset.assets.all() for annotation in asset.annotations.all()]
    return sorted(each.caption for each in found)  # type: ignore[union-attr]


def said(caption: str, filename: str = "line_07.jpg", **changes: Any) -> dict[str, Any]:
    record = line(filename, **changes)
    record["contents"] = {"type": "PhraseGrounding", "caption": caption, "groundedPhrases": []}
    return record


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


BAD, GOOD = lines(said("Bad"), b"{broken"), lines(said("Good", id="a2"))


@pytest.mark.parametrize(
    ("policy", "left", "state"),
    [
        ("Warn", ["Bad", "Good"], State.FINISHED),
        ("RejectFile", ["Good"], State.FINISHED),
        ("RejectSession", [], State.FAILED),
    ],
)
def test_a_bad_line_has_the_consequence_asked_for(
    ana: User, valves: Dataset, policy: str, left: list[str], state: str
) -> None:
    job = Sender(client_of(ana), valves, onBadAnnotation=policy).send(good_jsonl=GOOD, bad_jsonl=BAD)
    assert job.state == state
    assert captions(valves) == left
    assert "bad.jsonl:2" in " ".join([job.failure, *job.problems])


@pytest.mark.parametrize(
    ("policy", "left", "state"),
    [
        ("Warn", ["Good"], State.FINISHED),
        ("RejectFile", ["Good"], State.FINISHED),
        ("RejectSession", [], State.FAILED),
    ],
)
def test_an_unusable_file_has_the_consequence_asked_for(
    ana: User, valves: Dataset, policy: str, left: list[str], state: str
) -> None:
    job = Sender(client_of(ana), valves, onBadFile=policy).send(good_jsonl=GOOD, bad_jsonl=b"\xff\xfe\x00junk")
    assert job.state == state
    assert captions(valves) == left
    assert "bad.jsonl" in " ".join([job.failure, *job.problems])


@pytest.mark.parametrize(
    ("policy", "left", "state"),
    [
        ("Warn", ["New", "Other"], State.FINISHED),
        ("RejectFile", ["Old", "Other"], State.FINISHED),
        ("RejectSession", ["Old"], State.FAILED),
    ],
)
def test_an_overwriting_has_the_consequence_asked_for(
    ana: User, valves: Dataset, policy: str, left: list[str], state: str
) -> None:
    client = client_of(ana)
    Sender(client, valves).send(a_jsonl=lines(said("Old")))
    sender = Sender(client, valves, onOverwritten=policy)
    job = sender.send(a_jsonl=lines(said("New")), b_jsonl=lines(said("Other", id="a2")))
    assert job.state == state
    assert captions(valves) == left
    if state == State.FAILED:
        failed = [name for name, status in conditions(sender.status()).items() if status == "FailedReach"]
        assert failed == ["“a.jsonl” would replace an annotation that is already in the dataset. Nothing was imported."]


def test_the_same_again_is_no_overwriting(ana: User, valves: Dataset) -> None:
    client = client_of(ana)
    for _ in range(2):
        sender = Sender(client, valves)
        job = sender.send(a_jsonl=lines(said("One")))
    assert job.state == State.FINISHED
    assert sender.status()["annotations"]["statusCount"] == {"Unchanged": 1}


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


def test_a_name_leads_out_of_no_folder(ana: User, valves: Dataset, settings: Any) -> None:
    sender = Sender(client_of(ana), valves)
    content = lines(said("One"))
    body = {"files": {"../../../evil.jsonl": announced(content)}}
    [upload] = sent(sender.client, "POST", sender.at("/files"), body).json()["files"].values()
    sender.put(upload, content)
    folder = ImportSession.objects.get().folder
    [file] = [each for each in Path(settings.UPLOAD_DIR).rglob("*") if each.is_file()]
    assert file.is_relative_to(folder)


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


def test_annotations_of_another_type_are_refused(ana: User, valves: Dataset) -> None:
    other = cast.make_dataset(valves.organization, name="Questions", type="vqa")
    sender = Sender(client_of(ana), other, onBadFile="RejectSession")
    job = sender.send(a_jsonl=lines(said("One")))
    assert job.state == State.FAILED
    assert not other.assets.exists()


def test_files_are_told_with_what_could_not_be_used_of_them(ana: User, valves: Dataset) -> None:
    cast.make_asset(valves)
    sender = Sender(client_of(ana), valves, onBadAnnotation="Warn", onBadFile="Warn", onOverwritten="Warn")
    sender.announce(late_jsonl=b"x")
    assert [each["status"] for each in sender.client.get(sender.at("/filesSample")).json()["items"]] == ["Waiting"]
    sender = Sender(client_of(ana), valves, onBadAnnotation="Warn", onBadFile="Warn", onOverwritten="Warn")
    sender.send(good_jsonl=lines(said("One")), bad_jsonl=lines(b"{", said("Two", id="a2")))
    sample = sender.client.get(sender.at("/filesSample")).json()
    assert (sample["total"], {each["status"] for each in sample["items"]}) == (2, {"Uploaded"})
    problems = {each["name"]: each["problems"] for each in sample["items"]}
    assert ["not valid JSON" in "".join(problems[name]) for name in ("good.jsonl", "bad.jsonl")] == [False, True]
    assert all(sentence.startswith(f"{name}:") for name, told in problems.items() for sentence in told)


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
