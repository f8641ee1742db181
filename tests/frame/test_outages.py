"""While the database is away, whoever asks is told so calmly; once it is back, everything goes on by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.db import connections
from django.test import Client
from django.urls import reverse

from datasets.models import Dataset
from tests import cast
from tests.api.calling import key_of
from tests.conftest import signed_in
from tests.waiting import free_port
from vi_portal.accounts.models import User

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "snapshot"])


@contextmanager
def database_away() -> Iterator[None]:
    """Nobody reaches the database of the tests."""
    connection = connections["default"]
    gone = {"NAME": str(Path("/proc/nothing.sqlite3"))} if connection.vendor == "sqlite" else {"PORT": free_port()}
    before = {name: connection.settings_dict[name] for name in gone}
    connection.close()
    connection.settings_dict.update(gone)
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict.update(before)


@pytest.fixture
def history(valves: Dataset) -> str:
    return reverse("job-history", args=[valves.pk])


@pytest.fixture
def valves() -> Dataset:
    return cast.make_dataset(cast.make_organization())


@pytest.fixture
def ana(valves: Dataset) -> User:
    return cast.make_member(valves.organization, "ana")


def as_page(user: User) -> Client:
    client = signed_in(user)
    client.raise_request_exception = False
    return client


def as_program(user: User) -> Client:
    return Client(headers={"Authorization": f"Bearer {key_of(user)[1]}"}, raise_request_exception=False)


def test_a_page_says_so_and_works_again_afterwards(history: str, ana: User, caplog: pytest.LogCaptureFixture) -> None:
    client = as_page(ana)
    with database_away():
        answer = client.get(history)

    assert answer.status_code == 503
    assert answer["Retry-After"]
    assert "cannot reach its database" in answer.content.decode()
    assert [(record.levelname, record.exc_info) for record in caplog.records] == [("ERROR", None)]
    assert history in caplog.text
    assert client.get(history).status_code == 200


def test_a_program_is_told_in_the_shape_of_all_errors(ana: User) -> None:
    client = as_program(ana)
    with database_away():
        answer = client.get("/workspaces")

    assert answer.status_code == 503
    assert answer["Retry-After"]
    assert answer["X-Request-Id"]
    assert answer.json() == {"message": "The portal cannot reach its database just now. Try again in a moment."}
    assert client.get("/workspaces").status_code == 200


def test_a_signed_out_visitor_is_told_as_well(client: Client) -> None:
    client.raise_request_exception = False
    with database_away():
        answer = client.post(reverse("sign-in"), {"username": "ana", "password": "x"})

    assert answer.status_code == 503


@pytest.mark.parametrize("ask", [as_page, as_program])
def test_a_wrong_question_to_the_database_is_an_error_of_ours(
    history: str, ana: User, ask: Callable[[User], Client]
) -> None:
    client, path = ask(ana), history if ask is as_page else "/workspaces"
    tables = ("datasets_dataset", "accounts_organization")
    with connections["default"].cursor() as cursor:
        for table in tables:
            cursor.execute(f"ALTER TABLE {table} RENAME TO {table}_aside")
    try:
        assert client.get(path).status_code == 500
    finally:
        with connections["default"].cursor() as cursor:
            for table in tables:
                cursor.execute(f"ALTER TABLE {table}_aside RENAME TO {table}")
