"""One writer at a time: the others get their turn while a long write goes on, or are told calmly that they did not."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from django.db import connection, connections, transaction
from django.test import Client
from django.urls import reverse

from datasets.models import Dataset
from vi_portal.giving_way import GivingWay
from vi_portal.jobs.models import Worker

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "snapshot"]),
    pytest.mark.skipif("connection.vendor != 'sqlite'", reason="other databases have many writers"),
]


@contextmanager
def database_locked() -> Iterator[None]:
    """Somebody else is writing, for longer than anybody waits."""
    with connection.cursor() as impatient, closing(connections.create_connection("default")) as other:
        impatient.execute("PRAGMA busy_timeout = 20")
        other.cursor().execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            other.cursor().execute("ROLLBACK")
            impatient.execute("PRAGMA busy_timeout = 20000")


def test_a_page_that_cannot_write_says_that_the_portal_is_busy(as_ana: Client, valves: Dataset) -> None:
    as_ana.raise_request_exception = False
    with database_locked():
        response = as_ana.post(reverse("delete-dataset", args=[valves.pk]))
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) > 0
    assert "The portal is busy" in response.content.decode()
    assert Dataset.objects.filter(pk=valves.pk).exists()


def test_so_does_one_whose_session_cannot_be_kept(as_ana: Client) -> None:
    as_ana.raise_request_exception = False
    with database_locked():
        response = as_ana.post(reverse("sign-out"))
    assert (response.status_code, "Retry-After" in response.headers) == (503, True)


def test_pages_are_read_while_somebody_writes(as_ana: Client, valves: Dataset) -> None:
    with database_locked():
        assert as_ana.get(reverse("annotations", args=[valves.pk])).status_code == 200
        assert as_ana.get(reverse("job-history", args=[valves.pk])).status_code == 200


def test_who_writes_batch_after_batch_gives_way_to_others() -> None:
    begun, over = threading.Event(), threading.Event()
    batches: list[bool] = []

    def write() -> None:
        giving_way = GivingWay()
        for _ in range(32):
            with transaction.atomic():
                Worker.sign_in("busy")
                begun.set()
                over.wait(0.25)  # as long as a large batch takes
            batches.append(over.is_set())
            if over.is_set():
                break
            giving_way.between()
        connections.close_all()

    writing = threading.Thread(target=write)
    writing.start()
    begun.wait()
    Worker.sign_in("patient")
    over.set()
    writing.join()
    assert batches[-1], "The other write was done only after the last batch."
