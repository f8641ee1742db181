"""What every call of the API can count on: keys, the one shape of errors, request ids."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from importlib import import_module

import pytest
from django.test import Client

from tests import cast
from tests.api.calling import client_of, key_of, message
from vi_portal.accounts.models import Organization, Role, SecretKey, User
from vi_portal.api.schemas import WireSchema
from vi_portal.log_context import ContextFilter


def schemas_below(schema: type[WireSchema]) -> Iterator[type[WireSchema]]:
    for each in schema.__subclasses__():
        yield each
        yield from schemas_below(each)


def test_a_key_opens_its_own_organization(ana: User, acme: Organization) -> None:
    found = client_of(ana, organization=acme.pk).get(f"/workspaces/{acme.pk}")
    assert found.status_code == 200
    assert found.json()["name"] == "Acme"
    assert found.json()["workspaceId"] == str(acme.pk)
    [listed] = client_of(ana).get("/workspaces?s=10").json()["items"]
    assert listed == found.json()


@pytest.mark.parametrize(
    "header",
    [{}, {"Authorization": "Bearer "}, {"Authorization": f"Bearer dtvi_{'x' * 98}"}, {"Authorization": "Basic x"}],
)
def test_without_a_key_nothing_opens(acme: Organization, header: dict[str, str]) -> None:
    response = Client(headers=header).get(f"/workspaces/{acme.pk}")
    assert response.status_code == 401
    assert "key" in message(response)
    assert response["WWW-Authenticate"] == "Bearer"


def test_a_revoked_key_opens_nothing(ana: User) -> None:
    key, text = key_of(ana)
    client = Client(headers={"Authorization": f"Bearer {text}"})
    assert client.get("/workspaces").status_code == 200
    key.revoke()
    assert client.get("/workspaces").status_code == 401


def test_a_key_dies_with_the_membership_and_rests_with_its_user(ana: User) -> None:
    client = client_of(ana)
    User.objects.filter(pk=ana.pk).update(is_active=False)
    assert client.get("/workspaces").status_code == 401
    User.objects.filter(pk=ana.pk).update(is_active=True)
    assert client.get("/workspaces").status_code == 200
    ana.memberships.all().delete()
    assert client.get("/workspaces").status_code == 401


def test_the_session_of_a_page_opens_nothing(as_ana: Client) -> None:
    assert as_ana.get("/workspaces").status_code == 401


def test_another_organization_does_not_exist(ana: User, acme: Organization, chloe: User) -> None:
    borealis = Organization.objects.get(name="Borealis")
    foreign = client_of(ana).get(f"/workspaces/{borealis.pk}")
    absent = client_of(ana).get("/workspaces/5f2b0000-0000-4000-8000-000000000000")
    assert (foreign.status_code, absent.status_code) == (404, 404)
    assert message(foreign).replace(str(borealis.pk), "") == message(absent).replace(
        "5f2b0000-0000-4000-8000-000000000000", ""
    )


def test_the_header_and_the_address_must_agree(ana: User, acme: Organization, chloe: User) -> None:
    borealis = Organization.objects.get(name="Borealis")
    response = client_of(ana, organization=borealis.pk).get(f"/workspaces/{acme.pk}")
    assert response.status_code == 400
    assert "Organization-Id" in message(response)
    assert client_of(ana, organization=borealis.pk).get("/workspaces").status_code == 404


def test_the_last_use_is_written_at_most_once_a_minute(ana: User) -> None:
    key, text = key_of(ana)
    client = Client(headers={"Authorization": f"Bearer {text}"})
    client.get("/workspaces")
    first = SecretKey.objects.get(pk=key.pk).last_used_at
    assert first is not None
    client.get("/workspaces")
    assert SecretKey.objects.get(pk=key.pk).last_used_at == first


def test_a_key_is_stored_as_its_digest_alone(ana: User) -> None:
    key, text = key_of(ana)
    assert len(text) == 103
    assert text.startswith("dtvi_")
    assert text not in str(SecretKey.objects.filter(pk=key.pk).values())


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("get", "/workspaces/x/y/z", 404),
        ("get", "/plans", 404),
        ("get", "/api/nothing", 404),
        ("post", "/workspaces", 405),
        ("get", "/workspaces?s=none", 400),
        ("get", "/workspaces?s=0", 400),
    ],
)
def test_every_refusal_is_a_message(ana: User, method: str, path: str, status: int) -> None:
    response = getattr(client_of(ana), method)(path)
    assert response.status_code == status
    assert message(response)


def test_a_page_that_is_not_there_stays_a_page(as_ana: Client) -> None:
    response = as_ana.get("/nothing/")
    assert response.status_code == 404
    assert response["Content-Type"].startswith("text/html")


def test_a_crash_is_a_message_and_a_line_with_the_request_id(
    ana: User, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    _, text = key_of(ana)

    def crash(*arguments: object) -> None:
        raise RuntimeError("The disk is on fire.")

    monkeypatch.setattr("vi_portal.accounts.api.organization_out", crash)
    client = Client(headers={"Authorization": f"Bearer {text}"}, raise_request_exception=False)
    with caplog.at_level(logging.DEBUG), caplog.filtering(ContextFilter()):
        response = client.get("/workspaces", headers={"X-Request-Id": "abc-1"})
    assert response.status_code == 500
    assert "log" in message(response)
    assert response["X-Request-Id"] == "abc-1"
    [line] = [record for record in caplog.records if record.exc_info]
    assert line.request_id == "abc-1"  # type: ignore[attr-defined]  # the log adds it
    assert text not in caplog.text


def test_a_request_id_is_made_where_none_or_a_strange_one_is_given(ana: User) -> None:
    response = client_of(ana).get("/workspaces", headers={"X-Request-Id": "a b\tc"})
    assert len(response["X-Request-Id"]) == 32


def test_the_document_and_its_page_are_there_and_the_policy_is_looser_on_that_page_only(
    client: Client, as_ana: Client
) -> None:
    document = client.get("/api/openapi.json").json()
    assert "/workspaces/{organization_id}" in document["paths"]
    assert "unsafe-inline" in client.get("/api/docs")["Content-Security-Policy"]
    assert "unsafe-inline" not in as_ana.get("/")["Content-Security-Policy"]


def test_the_document_tells_of_every_schema_under_a_name_of_its_own() -> None:
    import_module("vi_portal.routes")  # which knows them all
    named = Counter(schema.__name__ for schema in schemas_below(WireSchema))
    assert [name for name, count in named.items() if count > 1] == []


def test_a_viewer_has_a_viewers_rights(acme: Organization) -> None:
    dora = cast.make_member(acme, "dora", role=Role.VIEWER)
    key, _ = key_of(dora)
    assert not key.membership.may_export
