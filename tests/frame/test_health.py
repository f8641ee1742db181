"""The health page: it tells what is missing, to anybody, soon, and without secrets."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from vi_portal import health
from vi_portal.jobs.models import Worker

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "snapshot"])


@pytest.fixture
def worker() -> Worker:
    Worker.sign_in("worker-1@here")
    return Worker.objects.get()


@pytest.fixture
def silent_server() -> Iterator[int]:
    """The port of a server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def ask() -> HttpResponse:
    response = Client().get("/healthz")
    assert isinstance(response, HttpResponse)
    return response


def parts(response: HttpResponse) -> Any:
    return json.loads(response.content)


def test_all_is_well(worker: Worker) -> None:
    response = ask()

    assert response.status_code == 200
    assert response["Content-Type"] == "application/json"
    assert "no-store" in response["Cache-Control"]
    assert parts(response) == {"status": "ok", "database": "ok", "broker": "ok", "worker": "ok"}


def test_it_only_answers_questions(worker: Worker) -> None:
    assert Client().post("/healthz").status_code == 405
    assert Client().head("/healthz").status_code == 200


@pytest.mark.parametrize("polite", [False, True])
def test_no_worker_is_alive(worker: Worker, polite: bool) -> None:
    if polite:
        Worker.sign_out(worker.name)
    else:
        Worker.objects.update(seen_at=timezone.now() - timedelta(minutes=5))

    response = ask()

    assert response.status_code == 503
    assert parts(response) == {
        "status": "failing",
        "database": "ok",
        "broker": "ok",
        "worker": "No worker is alive, so exports wait. Start one.",
    }


def test_the_folder_of_the_broker_cannot_be_written(worker: Worker, settings: Any, tmp_path: Path) -> None:
    (tmp_path / "broker").write_text("a file where the folder should be")
    settings.CELERY_BROKER_URL = "files://"
    settings.CELERY_BROKER_TRANSPORT_OPTIONS = {"data_folder_out": str(tmp_path / "broker" / "messages")}

    response = ask()

    assert response.status_code == 503
    assert parts(response)["broker"] == "The broker's folder cannot be written (NotADirectoryError)."


@pytest.mark.parametrize("scheme", ["redis", "amqp"])
def test_the_broker_cannot_be_reached(
    worker: Worker, settings: Any, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setattr(health, "PATIENCE_SECONDS", 60)  # the first to ask loads the broker's client
    with socket.create_server(("127.0.0.1", 0)) as server:
        closed = server.getsockname()[1]
    settings.CELERY_BROKER_URL = f"{scheme}://portal:hunter2@127.0.0.1:{closed}/0"
    settings.CELERY_BROKER_TRANSPORT_OPTIONS = {}

    response = ask()

    assert response.status_code == 503
    assert parts(response)["broker"].startswith("The broker cannot be reached")
    assert b"hunter2" not in response.content


@pytest.mark.parametrize("scheme", ["redis", "amqp"])
def test_a_broker_that_says_nothing_does_not_hold_the_page_up(
    worker: Worker, settings: Any, silent_server: int, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    settings.CELERY_BROKER_URL = f"{scheme}://portal:hunter2@127.0.0.1:{silent_server}/0"
    settings.CELERY_BROKER_TRANSPORT_OPTIONS = {}
    monkeypatch.setattr(health, "PATIENCE_SECONDS", 0.5)

    response = ask()

    assert response.status_code == 503
    assert parts(response)["broker"].startswith("No answer within"), "the page gave up, not the broker's client"
    assert b"hunter2" not in response.content


def test_the_database_does_not_answer(worker: Worker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    nowhere = str(tmp_path) if connections["default"].vendor == "sqlite" else "nowhere"
    monkeypatch.setitem(connections["default"].settings_dict, "NAME", nowhere)

    response = ask()

    assert response.status_code == 503
    assert parts(response)["database"] == "The database does not answer (OperationalError)."
    assert parts(response)["worker"] != "ok"
