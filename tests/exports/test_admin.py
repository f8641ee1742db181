"""Export jobs in the administration."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from datasets.models import Dataset
from exports.models import ExportJob
from tests import cast
from tests.conftest import signed_in
from tests.exports.jobs import make_finished


@pytest.fixture
def as_staff(db: None) -> Client:
    return signed_in(cast.make_user("root", is_staff=True, is_superuser=True))


def test_jobs_are_looked_at_but_not_changed(as_staff: Client, valves: Dataset) -> None:
    job = make_finished(valves)
    listed = as_staff.get(reverse("admin:exports_exportjob_changelist"))
    assert "ViJsonl" in listed.content.decode()
    one = reverse("admin:exports_exportjob_change", args=[job.pk])
    assert as_staff.get(one).status_code == 200
    assert as_staff.post(one, {"state": "failed"}).status_code == 403
    assert as_staff.get(reverse("admin:exports_exportjob_add")).status_code == 403
    job.refresh_from_db()
    assert job.state == "finished"


def test_a_job_may_be_deleted_so_that_its_dataset_may(as_staff: Client, valves: Dataset) -> None:
    job = make_finished(valves)
    as_staff.post(reverse("admin:exports_exportjob_delete", args=[job.pk]), {"post": "yes"})
    assert not ExportJob.objects.exists()
