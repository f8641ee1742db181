"""The metrics: true whoever is asked, for those who may know, and about nobody."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import connections
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from datasets.models import Dataset
from exports import storage
from exports.dispatch import request_export
from exports.models import ExportJob
from exports.spec import ExportSpec
from tests import cast
from tests.exports.jobs import make_finished, make_job
from tests.exports.reading import export
from vi_portal.accounts.models import User
from vi_portal.jobs.models import Worker
from vi_portal.jobs.sweep import requeue_lost
from vi_portal.jobs.tallies import Tally

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "snapshot"])


def told(**headers: str) -> dict[str, float]:
    """Every sample there is, as Prometheus reads it: `name{label=value,…}` and its value."""
    response = Client().get("/metrics", headers=headers)
    assert response.status_code == 200
    found = {}
    for family in text_string_to_metric_families(response.content.decode()):
        for sample in family.samples:
            labels = ",".join(f"{key}={value}" for key, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def test_what_became_of_jobs_is_counted_and_stays_when_they_are_deleted(valves: Dataset, ana: User) -> None:
    cast.make_annotated(valves, 3)
    done = export(valves)
    ExportJob.start(make_job(valves).pk, worker="w").fail("No.", cause="disk full")
    make_job(valves).cancel(by="Ana")
    make_job(valves, created_at=timezone.now() - timedelta(seconds=60))
    Worker.sign_in("w1", slots=3)

    before = told()
    done.discard()
    ExportJob.objects.filter(state="failed").delete()
    after = told()

    kind = "kind=export"
    assert before[f"vi_portal_jobs{{{kind},state=failed}}"] == 2
    assert after[f"vi_portal_jobs{{{kind},state=failed}}"] == 0
    assert 60 <= after[f"vi_portal_queue_oldest_seconds{{{kind}}}"] < 600
    assert (after["vi_portal_workers"], after["vi_portal_worker_slots"]) == (1, 3)
    for moment in (before, after):
        assert moment[f"vi_portal_jobs_ended_total{{{kind},state=finished}}"] == 1
        assert moment[f"vi_portal_jobs_ended_total{{{kind},state=failed}}"] == 2
        assert moment[f"vi_portal_job_failures_total{{cause=disk full,{kind}}}"] == 1
        assert moment[f"vi_portal_job_failures_total{{cause=cancelled,{kind}}}"] == 1
        assert moment[f"vi_portal_job_bytes_total{{{kind}}}"] == done.size
        for what in ("job_duration", "queue_wait"):
            assert moment[f"vi_portal_{what}_seconds_count{{{kind}}}"] == 1
            assert moment[f"vi_portal_{what}_seconds_bucket{{{kind},le=+Inf}}"] == 1
        assert done.duration is not None
        lasting = moment[f"vi_portal_job_duration_seconds_sum{{{kind}}}"]
        assert lasting == pytest.approx(done.duration.total_seconds(), abs=0.01)


def test_what_goes_wrong_unforeseen_is_a_cause_of_its_own(valves: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    cast.make_annotated(valves, 1)
    monkeypatch.setattr("exports.runner._check", None)
    export(valves)
    assert told()["vi_portal_job_failures_total{cause=unexpected,kind=export}"] == 1


def test_jobs_whose_workers_were_lost_too_often_are_counted(valves: Dataset, settings: LazySettings) -> None:
    past = timezone.now() - timedelta(seconds=1)
    make_job(valves, state="running", attempts=settings.JOB_MAX_ATTEMPTS, lease_expires_at=past)
    requeue_lost(ExportJob)
    requeue_lost(ExportJob)
    assert told()["vi_portal_job_failures_total{cause=lost worker,kind=export}"] == 1


def test_durations_fall_into_their_buckets() -> None:
    for seconds in (0.2, 0.5, 7, 90_000):
        Tally.add_duration(timedelta(seconds=seconds), "lasting", "export")
    counts = told()
    buckets = {end: counts[f"vi_portal_job_duration_seconds_bucket{{kind=export,le={end}}}"] for end in ("0.5", "10.0")}
    assert buckets == {"0.5": 2, "10.0": 3}
    assert counts["vi_portal_job_duration_seconds_count{kind=export}"] == 4


def test_several_who_count_at_once_count_everything() -> None:
    def count() -> None:
        try:
            for _ in range(10):
                Tally.add(1, "ended", "export", "finished")
        finally:
            connections.close_all()

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert told()["vi_portal_jobs_ended_total{kind=export,state=finished}"] == 40


def test_a_download_in_parts_is_one(as_ana: Client, ana: User, valves: Dataset) -> None:
    job = make_finished(valves, ana)
    url = reverse("download", args=[job.pk, storage.sign(job.pk, user_id=ana.pk), "export.zip"])
    for part in ("bytes=0-9", "bytes=10-19", "bytes=20-"):
        list(as_ana.get(url, headers={"Range": part}))
    as_ana.head(url)
    assert told()["vi_portal_downloads_total"] == 1
    list(as_ana.get(url))
    assert told()["vi_portal_downloads_total"] == 2


def test_requests_are_timed_by_view(as_ana: Client, valves: Dataset) -> None:
    sample = "vi_portal_request_seconds_count{method=GET,status=2xx,view=job-history}"
    before = told().get(sample, 0)
    as_ana.get(reverse("job-history", args=[valves.pk]))
    assert told()[sample] == before + 1
    assert Client().get("/no/such/page").status_code in (302, 404)


def test_no_label_names_anybody(as_ana: Client, ana: User, acme: Any) -> None:
    dataset = cast.make_dataset(acme, name="Secret project")
    cast.make_annotated(dataset, 1)
    as_ana.get(dataset.get_absolute_url())
    as_ana.get(f"/Secret/{dataset.pk}")
    export(dataset)
    request_export(ExportSpec(), dataset=dataset, user=ana, ring=False)
    text = Client().get("/metrics").content.decode()
    for name in ("Secret", str(dataset.pk), "ana", "Ana", "Acme", str(ana.pk) + '"'):
        assert f'"{name}' not in text
    assert "Secret" not in text
    assert str(dataset.pk) not in text


# Who may read them


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "127.8.8.8"])
def test_without_a_token_this_machine_may(address: str) -> None:
    assert Client(REMOTE_ADDR=address).get("/metrics").status_code == 200


@pytest.mark.parametrize("address", ["10.0.0.7", "203.0.113.9", "", "unix:", "fe80::1"])
def test_without_a_token_nobody_else_may(address: str, as_ana: Client) -> None:
    response = Client(REMOTE_ADDR=address).get("/metrics")
    assert response.status_code == 403
    assert b"METRICS_TOKEN" in response.content
    assert b"vi_portal" not in response.content


def test_through_a_proxy_on_this_machine_nobody_may_without_a_token(settings: LazySettings) -> None:
    assert Client().get("/metrics", headers={"X-Forwarded-For": "127.0.0.1"}).status_code == 403
    settings.BEHIND_PROXY = True
    assert Client().get("/metrics").status_code == 403


def test_with_a_token_only_who_shows_it_may(settings: LazySettings) -> None:
    settings.METRICS_TOKEN = "öpen sesame"
    refused = Client().get("/metrics")
    assert (refused.status_code, refused["WWW-Authenticate"]) == (401, "Bearer")
    for wrong in ("Bearer", "Bearer open sesame", "öpen sesame", "Basic öpen sesame"):
        assert Client().get("/metrics", headers={"Authorization": wrong}).status_code == 401
    settings.METRICS_TOKEN = "open-sesame"
    right = Client(REMOTE_ADDR="10.0.0.7").get("/metrics", headers={"Authorization": "Bearer open-sesame"})
    assert right.status_code == 200
