"""The Annotations tab: who may see and do what, with and without JavaScript."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from datasets.filters import AssetFilter
from datasets.models import Dataset
from exports.models import ExportJob
from exports.spec import ExportSpec
from tests import cast
from tests.conftest import signed_in
from tests.exports.jobs import make_failed, make_finished, make_job, make_running
from vi_portal.accounts.models import Membership, Organization, Role, User
from vi_portal.jobs.models import State

OPTIONS = {"format": "ViJsonl", "validation_ratio": "0.2", "filtered": "on"}


@pytest.fixture
def valves(valves: Dataset) -> Dataset:
    """With annotations, so that there is something to export."""
    cast.make_annotated(valves, 10)
    return valves


@pytest.fixture
def dora(acme: Organization) -> User:
    return cast.make_member(acme, "dora", role=Role.EDITOR)


def page_of(dataset: Dataset) -> str:
    return reverse("annotations", args=[dataset.pk])


def htmx(client: Client, url: str, fields: dict[str, Any] | None = None, *, on: str) -> Any:
    """POST `fields` to `url` as htmx does from the page `on`."""
    headers = {"HX-Request": "true", "HX-Current-URL": f"http://testserver{on}"}
    return client.post(url, fields or {}, headers=headers)


def text_of(response: Any) -> str:
    return re.sub(r"\s+", " ", response.content.decode())


# The page


def test_the_page_has_the_tab_the_export_and_the_history(as_ana: Client, valves: Dataset) -> None:
    page = text_of(as_ana.get(page_of(valves)))
    assert f'<a href="{page_of(valves)}" aria-current="page">Annotations</a>' in page
    assert f'href="{reverse("export", args=[valves.pk])}"' in page
    assert "Annotation Job History" in page
    assert "No exports yet" in page
    assert "import_dataset" in page


def test_an_empty_history_asks_for_an_export_only_where_there_is_something_to_export(
    as_ana: Client, acme: Organization, valves: Dataset
) -> None:
    assert "Choose <strong>Export</strong> above." in text_of(as_ana.get(page_of(valves)))
    empty = text_of(as_ana.get(page_of(cast.make_dataset(acme, name="Empty"))))
    assert "so there is nothing to export" in empty
    assert "Choose <strong>Export</strong>" not in empty


def test_only_formats_that_fit_are_shown(as_ana: Client, acme: Organization) -> None:
    notes = cast.make_dataset(acme, name="Notes", type="freeform")
    page = text_of(as_ana.get(page_of(notes)))
    assert "Vi JSONL" in page
    assert "TFRecord" not in page


def test_a_carried_filter_is_told_counted_and_can_be_dropped(as_ana: Client, valves: Dataset) -> None:
    page = text_of(as_ana.get(page_of(valves), {"search": "image_000", "label": "<b>"}))
    assert "the file name contains “image_000” and a label is “&lt;b&gt;”" in page
    assert "Only 0 assets" in page
    assert f'<a href="{page_of(valves)}" aria-label="Drop the filter"' in page
    page = text_of(as_ana.get(page_of(valves), {"search": "image_0003"}))
    assert "Only 1 asset, where the file name contains “image_0003”" in page
    assert f'href="{reverse("export", args=[valves.pk])}?search=image_0003"' in page


def test_a_dataset_without_annotations_says_what_to_do(as_ana: Client, acme: Organization) -> None:
    empty = cast.make_dataset(acme, name="Empty")
    assert "has no annotations yet" in text_of(as_ana.get(page_of(empty)))


def test_a_viewer_sees_no_export_button_until_allowed(as_ben: Client, ben: User, valves: Dataset) -> None:
    export = reverse("export", args=[valves.pk])
    page = text_of(as_ben.get(page_of(valves)))
    assert export not in page
    assert "but not export it" in page
    Membership.objects.filter(user=ben).update(viewer_may_export=True)
    assert export in text_of(as_ben.get(page_of(valves)))


# Whose it is not, and who may not


def every_url(dataset: Dataset, job: ExportJob) -> list[tuple[str, str]]:
    """Every URL of these pages, with its method."""
    pages = [("get", reverse(name, args=[dataset.pk])) for name in ("annotations", "job-history", "export")]
    posts = [("post", reverse(name, args=[dataset.pk])) for name in ("export", "export-preview")]
    on_jobs = [("post", reverse(name, args=[job.pk])) for name in ("cancel-export", "repeat-export", "delete-export")]
    return [*pages, *posts, *on_jobs, ("get", reverse("delete-export", args=[job.pk]))]


def test_another_organization_s_do_not_exist(as_chloe: Client, valves: Dataset) -> None:
    job = make_failed(valves)
    for method, url in every_url(valves, job):
        assert getattr(as_chloe, method)(url, OPTIONS).status_code == 404, url
    assert list(ExportJob.objects.all()) == [job]


def test_all_need_a_sign_in(client: Client, valves: Dataset) -> None:
    job = make_failed(valves)
    for method, url in every_url(valves, job):
        response = getattr(client, method)(url, OPTIONS)
        assert response.status_code == 302, url
        assert response.url.startswith(reverse("sign-in")), url
    assert list(ExportJob.objects.all()) == [job]


def test_a_viewer_is_told_why_not(as_ben: Client, valves: Dataset) -> None:
    job = make_failed(valves)
    for method, url in every_url(valves, job)[2:]:
        response = getattr(as_ben, method)(url, OPTIONS)
        assert response.status_code == 403, url
        assert "not export it" in text_of(response), url
    assert list(ExportJob.objects.all()) == [job]


def test_what_changes_something_is_not_had_by_a_link(as_ana: Client, valves: Dataset) -> None:
    job = make_running(valves)
    for name in ("cancel-export", "repeat-export"):
        assert as_ana.get(reverse(name, args=[job.pk])).status_code == 405
    assert as_ana.get(reverse("export-preview", args=[valves.pk])).status_code == 405


def test_what_changes_something_needs_the_token(ana: User, valves: Dataset) -> None:
    wary = Client(enforce_csrf_checks=True)
    wary.force_login(ana, backend="django.contrib.auth.backends.ModelBackend")
    job = make_running(valves)
    for name in ("cancel-export", "repeat-export", "delete-export"):
        assert wary.post(reverse(name, args=[job.pk])).status_code == 403
    assert wary.post(reverse("export", args=[valves.pk]), OPTIONS).status_code == 403


# Asking for an export


def test_an_export_without_javascript(as_ana: Client, ana: User, valves: Dataset) -> None:
    response = as_ana.post(reverse("export", args=[valves.pk]), OPTIONS | {"split": "on", "seed": "7"}, follow=True)
    assert response.redirect_chain == [(page_of(valves), 302)]
    job = ExportJob.objects.get()
    assert (job.dataset, job.user, job.state) == (valves, ana, State.QUEUED)
    assert job.spec == ExportSpec(validation_ratio=Decimal("0.2"), seed=7)
    assert "In Progress" in text_of(response)


def test_an_export_with_htmx_answers_with_the_new_row(as_ana: Client, valves: Dataset) -> None:
    response = htmx(as_ana, reverse("export", args=[valves.pk]), OPTIONS, on=page_of(valves))
    job = ExportJob.objects.get()
    page = text_of(response)
    assert response.headers["HX-Retarget"] == "#job-history"
    assert "exports:done" in response.headers["HX-Trigger"]
    assert f'id="job-{job.pk}"' in page
    assert "In Progress" in page
    assert 'hx-trigger="every 300ms"' in page
    assert "<html" not in page


def test_from_another_page_htmx_is_sent_to_the_history(as_ana: Client, valves: Dataset) -> None:
    export = reverse("export", args=[valves.pk])
    assert htmx(as_ana, export, OPTIONS, on=export).headers["HX-Redirect"] == page_of(valves)


def test_the_carried_filter_is_exported_unless_dropped(as_ana: Client, valves: Dataset) -> None:
    export = reverse("export", args=[valves.pk])
    as_ana.post(export, OPTIONS | {"search": "image_0003"})
    assert ExportJob.objects.latest("created_at").spec.filter == AssetFilter(search="image_0003")
    as_ana.post(export, {key: value for key, value in OPTIONS.items() if key != "filtered"} | {"search": "image_0003"})
    assert ExportJob.objects.latest("created_at").spec.filter == AssetFilter()


# Doing something with a job


def test_cancel(as_ana: Client, valves: Dataset) -> None:
    job = make_running(valves)
    response = as_ana.post(reverse("cancel-export", args=[job.pk]), follow=True)
    assert "Cancelled by Ana." in text_of(response)
    job.refresh_from_db()
    assert (job.state, job.cancelled) == (State.FAILED, True)


def test_cancel_comes_too_late(as_ana: Client, valves: Dataset) -> None:
    job = make_finished(valves)
    response = htmx(as_ana, reverse("cancel-export", args=[job.pk]), on=page_of(valves))
    assert "already over" in text_of(response)
    job.refresh_from_db()
    assert job.state == State.FINISHED


def test_a_retry_asks_for_the_same_with_the_same_seed(as_ana: Client, dora: User, valves: Dataset) -> None:
    spec = ExportSpec(validation_ratio=Decimal("0.2"), normalized=True)
    failed = make_failed(valves, dora, spec=spec)
    htmx(as_ana, reverse("repeat-export", args=[failed.pk]), on=page_of(valves))
    again = ExportJob.objects.exclude(pk=failed.pk).get()
    assert again.spec == failed.spec
    assert again.spec.seed is not None
    assert (again.state, again.user) == (State.QUEUED, User.objects.get(username="ana"))


def test_a_retry_that_cannot_come_to_anything_says_why(as_ana: Client, valves: Dataset) -> None:
    failed = make_failed(valves)
    valves.assets.all().delete()
    response = htmx(as_ana, reverse("repeat-export", args=[failed.pk]), on=page_of(valves))
    assert "has no annotations yet" in text_of(response)
    assert ExportJob.objects.count() == 1


def test_delete_asks_first(as_ana: Client, valves: Dataset) -> None:
    job = make_finished(valves)
    page = text_of(as_ana.get(reverse("delete-export", args=[job.pk]), {"page": "2"}))
    assert "Delete this export?" in page
    assert f'action="{reverse("delete-export", args=[job.pk])}?page=2"' in page
    assert ExportJob.objects.filter(pk=job.pk).exists()


def test_delete_removes_the_row_and_the_archive(as_ana: Client, valves: Dataset) -> None:
    job = make_finished(valves)
    archive = Path(settings.ARCHIVE_DIR) / job.archive
    assert archive.exists()
    response = as_ana.post(reverse("delete-export", args=[job.pk]), follow=True)
    assert "No exports yet" in text_of(response)
    assert not archive.exists()


def test_what_is_active_is_not_deleted(as_ana: Client, valves: Dataset) -> None:
    job = make_running(valves)
    response = as_ana.post(reverse("delete-export", args=[job.pk]), follow=True)
    assert "still in progress" in text_of(response)
    assert ExportJob.objects.filter(pk=job.pk).exists()


def test_the_page_one_was_on_is_come_back_to(as_ana: Client, valves: Dataset) -> None:
    for _ in range(26):
        job = make_failed(valves)
    make_job(valves)
    url = f"{reverse('delete-export', args=[job.pk])}?search=line&page=2"
    assert as_ana.post(url).headers["Location"] == f"{page_of(valves)}?search=line&page=2"


def test_who_may_cancel_and_delete(ana: User, ben: User, dora: User, valves: Dataset) -> None:
    Membership.objects.filter(user=ben).update(viewer_may_export=True)

    def answer(user: User, name: str, job: ExportJob) -> Any:
        return signed_in(user).post(reverse(name, args=[job.pk]))

    for owner, actor, status in (
        (ana, ben, 403),
        (ben, ben, 302),
        (ben, dora, 302),
        (ana, dora, 302),
        (None, ben, 403),
    ):
        assert answer(actor, "cancel-export", make_running(valves, owner)).status_code == status
        assert answer(actor, "delete-export", make_failed(valves, owner)).status_code == status
    refused = answer(ben, "cancel-export", make_running(valves, ana))
    assert "Only Ana or an editor" in text_of(refused)
