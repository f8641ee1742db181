"""The logs: no line lets its reader in."""

from __future__ import annotations

import io
import json
import logging
import threading
import uuid
from collections.abc import Callable
from contextvars import Context
from logging.config import DictConfigurator
from typing import Any

import pytest
from django.conf import settings
from django.test import Client, TestCase
from django.urls import reverse

from datasets.models import Dataset
from exports import runner, storage
from exports.models import ExportJob
from tests import cast
from tests.conftest import signed_in
from tests.exports.jobs import make_finished
from vi_portal.accounts.models import User
from vi_portal.log_context import working_on


def _caught(form: str, monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What the handler that all lines go to writes from now on, in the format called `form`."""
    configured = DictConfigurator(settings.LOGGING)
    bare: dict[str, Any] = {"formatter": None, "filters": []}
    handler = configured.configure_handler(dict(settings.LOGGING["handlers"]["stderr"]) | bare)
    handler.setFormatter(configured.configure_formatter(dict(settings.LOGGING["formatters"][form])))
    for name in settings.LOGGING["handlers"]["stderr"]["filters"]:
        handler.addFilter(configured.configure_filter(dict(settings.LOGGING["filters"][name])))
    assert isinstance(handler, logging.StreamHandler)
    stream = io.StringIO()
    handler.setStream(stream)
    monkeypatch.setattr(logging.getLogger(), "handlers", [handler])
    return stream


@pytest.fixture(params=["text", "json"])
def written(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What is written, in each of the formats there are."""
    return _caught(request.param, monkeypatch)


@pytest.mark.django_db
def test_the_signature_of_a_download_link_is_not_logged(client: Client, written: io.StringIO) -> None:
    ana = cast.make_member(cast.make_organization(), "ana")
    job = make_finished(cast.make_dataset(), ana)
    signature = storage.sign(job.pk, user_id=ana.pk)
    url = reverse("download", args=[job.pk, signature, "export.zip"])

    assert client.get(url).status_code == 403  # which Django logs, with the path
    logging.getLogger("exports").warning("The way was %s", url)

    lines = written.getvalue().splitlines()
    assert len(lines) == 2
    assert all(f"/exports/{job.pk}/download/***/export.zip" in line for line in lines)
    assert signature not in written.getvalue()


# On whose behalf


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[dict[str, Any]]]:
    """What was written so far as JSON, each line read back."""
    stream = _caught("json", monkeypatch)
    return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


def page_and_worker(ana: User, dataset: Dataset) -> ExportJob:
    """An export asked for on the page, under the request id `click-7`, and done by a worker."""
    client = signed_in(ana)
    form = {"format": "ViJsonl", "boxes": "pixels"}
    with TestCase.captureOnCommitCallbacks(execute=False):
        response = client.post(reverse("export", args=[dataset.pk]), form, headers={"X-Request-Id": "click-7"})
    assert response.status_code == 302, response.content
    job = ExportJob.objects.get()
    # Another process, and so another context.
    Context().run(runner.run, job.pk, worker="w1")
    return ExportJob.objects.get()


@pytest.mark.django_db(transaction=True, databases=["default", "snapshot"])
def test_every_line_of_an_export_has_its_job_its_user_and_its_request(
    lines: Callable[[], list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    ana = cast.make_member(cast.make_organization(), "ana")
    dataset = cast.make_dataset()
    cast.make_annotated(dataset, 2)
    check, beat = runner._check, ExportJob.beat
    beats = threading.Event()

    def checked(*arguments: Any) -> Any:
        logging.getLogger("some.library").warning("It is late.")
        assert beats.wait(10)
        return check(*arguments)

    def beaten(job: ExportJob, **news: Any) -> None:
        logging.getLogger("another.library").warning("Thump.")
        beat(job, **news)
        beats.set()

    monkeypatch.setattr(runner, "_check", checked)
    monkeypatch.setattr(ExportJob, "beat", beaten)

    job = page_and_worker(ana, dataset)

    assert job.state == "finished"
    told = [line for line in lines() if line["logger"] not in ("django.server", "django.request")]
    assert {f"Export {job.pk} requested.", "It is late.", "Thump."} <= {line["message"] for line in told}
    for line in told:
        assert (line["job"], line["user"], line["request_id"]) == (str(job.pk), ana.pk, "click-7"), line


@pytest.mark.django_db(transaction=True, databases=["default", "snapshot"])
def test_a_row_that_failed_unforeseen_names_the_id_to_look_for(
    written: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana = cast.make_member(cast.make_organization(), "ana")
    dataset = cast.make_dataset()
    cast.make_annotated(dataset, 2)

    def broken(*arguments: Any) -> None:
        logging.getLogger("some.library").warning("It creaks.")
        raise RuntimeError("out of luck")

    monkeypatch.setattr(runner, "_check", broken)

    job = page_and_worker(ana, dataset)

    assert job.failure == (
        f"Something unexpected went wrong. Retry, or tell your administrator. In the log, look for {job.pk}."
    )
    found = [line for line in written.getvalue().splitlines() if str(job.pk) in line]
    assert any("It creaks." in line for line in found)
    assert "RuntimeError: out of luck" in written.getvalue()


@pytest.mark.django_db
def test_what_one_job_leaves_behind_is_not_on_lines_about_nothing(
    lines: Callable[[], list[dict[str, Any]]],
) -> None:
    def alone() -> None:
        with working_on("4711", user=3, request_id="click-8"):
            logging.getLogger("exports").warning("Within.")
        logging.getLogger("exports").warning("Without.")

    Context().run(alone)

    within, without = lines()
    assert (within["job"], within["user"], within["request_id"]) == ("4711", 3, "click-8")
    assert "job" not in without
    assert "user" not in without
    assert without["request_id"] == ""


@pytest.mark.django_db
def test_a_request_says_who_asked(lines: Callable[[], list[dict[str, Any]]]) -> None:
    ana = cast.make_member(cast.make_organization(), "ana")
    client = signed_in(ana)
    assert client.get(reverse("dataset", args=[uuid.uuid4()]), headers={"X-Request-Id": "look-1"}).status_code == 404
    [line] = lines()
    assert (line["request_id"], line.get("user")) == ("look-1", ana.pk)
