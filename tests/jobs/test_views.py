"""The Queue page: for who runs the portal, and for nobody else."""

from __future__ import annotations

import re
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from datasets.models import Dataset
from exports.models import ExportShard
from tests.exports.jobs import make_failed, make_job, make_running
from vi_portal.accounts.models import User
from vi_portal.jobs.models import State, Worker

pytestmark = pytest.mark.django_db


@pytest.fixture
def as_staff(as_ana: Client, ana: User) -> Client:
    User.objects.filter(pk=ana.pk).update(is_staff=True)
    return as_ana


def shown(client: Client, **headers: Any) -> str:
    response = client.get(reverse("queue"), headers=headers)
    assert response.status_code == 200
    return re.sub(r"\s+", " ", response.content.decode())


def test_only_staff_see_it_and_the_way_to_it(as_ana: Client, as_ben: Client, ana: User, client: Client) -> None:
    link = f'href="{reverse("queue")}"'
    assert as_ben.get(reverse("queue")).status_code == 404
    assert link not in as_ben.get(reverse("explorer")).content.decode()
    assert client.get(reverse("queue")).status_code == 302
    User.objects.filter(pk=ana.pk).update(is_staff=True)
    assert link in as_ana.get(reverse("explorer")).content.decode()
    assert as_ana.get(reverse("queue")).status_code == 200


def test_a_quiet_portal_says_so(as_staff: Client) -> None:
    page = shown(as_staff)
    for words in ("No worker is running", "No worker was seen", "Nothing runs.", "Nobody waits.", "Nothing failed"):
        assert words in page


def test_workers_are_shown_with_what_they_do(as_staff: Client, valves: Dataset, ana: User) -> None:
    Worker.sign_in("worker-1@here", slots=2)
    Worker.sign_in("worker-2@there")
    Worker.objects.filter(pk="worker-2@there").update(seen_at=timezone.now() - timedelta(minutes=5))
    make_running(valves, ana, worker="worker-1@here", percent=5, large=True)
    page = shown(as_staff)
    for words in (
        "2 slots",
        "Alive",
        "Silent",
        "Export of <bdi>Valves</bdi>, 5%",
        "Writing annotations, 5%",
        "(large)",
    ):
        assert words in page
    assert "No worker is running" not in page


def test_those_who_wait_are_in_the_order_of_their_turns(
    as_staff: Client, valves: Dataset, ana: User, ben: User
) -> None:
    Worker.sign_in("w1")
    now = timezone.now()
    for name, user, ago in (("Ana 1", ana, 30), ("Ana 2", ana, 20), ("Ben 1", ben, 10)):
        make_job(valves, user, requested_by=name, created_at=now - timedelta(seconds=ago))
    assert re.findall(r"<bdi>((?:Ana|Ben) \d)</bdi>", shown(as_staff)) == ["Ana 1", "Ben 1", "Ana 2"]


def test_failures_tell_their_reason_and_what_to_look_for(as_staff: Client, valves: Dataset) -> None:
    failed = make_failed(valves, failure="The disk is <full>.")
    make_job(valves).cancel(by="Ana")
    page = shown(as_staff)
    assert "The disk is &lt;full&gt;." in page
    assert f"<code>{failed.pk}</code>" in page
    assert "Cancelled by Ana" not in page


def test_a_failed_shard_is_looked_for_by_its_export(as_staff: Client, valves: Dataset) -> None:
    export = make_running(valves)
    facts = {"export_token": uuid.uuid4(), "number": 0, "runs": [], "ids": b"", "revision": 0}
    ended = {"state": State.FAILED, "finished_at": timezone.now(), "failure": "The disk is full."}
    shard = ExportShard.objects.create(export=export, dataset=valves, **facts, **ended)
    page = shown(as_staff)
    assert "The disk is full." in page
    assert f"<code>{export.pk}</code>" in page, "its lines in the log have the id of the export"
    assert str(shard.pk) not in page


def test_times_are_told_with_their_day_and_their_zone(as_staff: Client, valves: Dataset, ana: User) -> None:
    now = timezone.now()
    Worker.sign_in("w1")
    Worker.sign_in("w2")
    Worker.objects.filter(pk="w2").update(seen_at=now - timedelta(minutes=5))
    make_running(valves, ana, worker="w1")
    make_job(valves, ana)
    make_failed(valves, ana)
    page = shown(as_staff)
    times = re.findall(r"<time (.*?)>(.*?)</time>", page)
    assert len(times) == 6, "two workers since when, one silent, one job started, one requested, one ended"
    for attributes, told in times:
        assert re.search(r'title="\d+ [A-Z]\w+ \d{4}, \d\d:\d\d:\d\d UTC"', attributes)
        assert re.fullmatch(r"\d+ [A-Z][a-z]{2}, \d\d:\d\d", told)
    assert not re.search(r"\d\d:\d\d", re.sub(r"<time .*?</time>", "", page))


def test_it_asks_for_itself_again_sooner_while_something_goes_on(as_staff: Client, valves: Dataset) -> None:
    piece = shown(as_staff, HX_Request="true")
    assert "<html" not in piece
    assert 'hx-trigger="every 10s"' in piece
    make_job(valves)
    assert 'hx-trigger="every 2s"' in shown(as_staff, HX_Request="true")
