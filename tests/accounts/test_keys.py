"""The page of secret keys."""

from __future__ import annotations

import re
from html import unescape

import pytest
from django.test import Client

from tests import cast
from tests.conftest import signed_in
from vi_portal.accounts.models import Membership, Organization, Role, SecretKey, User

PAGE = "/settings/keys/"


def make(client: Client, membership: Membership, **fields: str) -> str:
    form = {"name": "Notebook", "membership": str(membership.pk), **fields}
    return unescape(client.post(PAGE, form).content.decode())


def text_in(page: str) -> str:
    return str(re.findall(r"dtvi_[A-Za-z0-9_-]{98}", page)[0])


def test_a_key_is_shown_once_with_the_lines_that_use_it_and_works(
    as_ana: Client, ana: User, acme: Organization
) -> None:
    page = make(as_ana, ana.memberships.get())
    text = text_in(page)
    assert f'vi.Client(secret_key="{text}", organization_id="{acme.pk}", endpoint="http://testserver")' in page
    assert Client(headers={"Authorization": f"Bearer {text}"}).get("/workspaces").status_code == 200
    later = as_ana.get(PAGE).content.decode()
    assert "Notebook" in later
    assert "dtvi_" not in later


def test_the_page_with_a_key_is_kept_by_no_browser(as_ana: Client, ana: User) -> None:
    response = as_ana.post(PAGE, {"name": "Notebook", "membership": ana.memberships.get().pk})
    assert "no-store" in response["Cache-Control"]


def test_the_last_use_is_shown(as_ana: Client, ana: User) -> None:
    text = text_in(make(as_ana, ana.memberships.get()))
    assert "never" in as_ana.get(PAGE).content.decode()
    Client(headers={"Authorization": f"Bearer {text}"}).get("/workspaces")
    assert "never" not in as_ana.get(PAGE).content.decode()


def test_a_key_needs_a_name(as_ana: Client, ana: User) -> None:
    assert "Give the key a name" in make(as_ana, ana.memberships.get(), name=" ")
    assert not SecretKey.objects.exists()


def test_a_form_that_is_refused_keeps_what_was_chosen(as_ana: Client, ana: User) -> None:
    second = Membership.objects.create(organization=cast.make_organization("Second"), user=ana, role=Role.VIEWER)
    page = make(as_ana, second, name=" ", read_only="on")
    assert re.search(rf'<option value="{second.pk}"\s+selected>', page)
    assert re.search(r'name="read_only"\s+checked', page)


def test_the_page_says_what_a_key_may(as_ana: Client, ana: User) -> None:
    make(as_ana, ana.memberships.get(), name="All")
    make(as_ana, ana.memberships.get(), name="Reader", read_only="on")
    page = as_ana.get(PAGE).content.decode()
    assert "a read-only key may look, export where you may, and change nothing" in page
    assert re.findall(r'data-label="May" class="brief">([^<]+?)\s*<', page) == ["Look and export", "All that you may"]


def test_the_key_of_who_may_not_export_does_not_promise_it(as_ben: Client, ben: User) -> None:
    make(as_ben, ben.memberships.get(), read_only="on")
    assert re.findall(r'data-label="May" class="brief">([^<]+?)\s*<', as_ben.get(PAGE).content.decode()) == ["Look"]


def test_nobody_makes_a_key_in_an_organization_of_others(as_ana: Client, chloe: User) -> None:
    make(as_ana, chloe.memberships.get())
    assert not SecretKey.objects.exists()


def test_revoking_asks_first_and_then_ends_the_key(as_ana: Client, ana: User) -> None:
    text = text_in(make(as_ana, ana.memberships.get()))
    key = SecretKey.objects.get()
    program = Client(headers={"Authorization": f"Bearer {text}"})
    assert "Revoke “Notebook”?" in as_ana.get(f"{PAGE}{key.pk}/revoke/").content.decode()
    assert program.get("/workspaces").status_code == 200
    assert "is revoked" in as_ana.post(f"{PAGE}{key.pk}/revoke/", follow=True).content.decode()
    assert program.get("/workspaces").status_code == 401


@pytest.mark.parametrize("method", ["get", "post"])
def test_nobody_sees_or_revokes_the_keys_of_others(as_ana: Client, ana: User, acme: Organization, method: str) -> None:
    make(as_ana, ana.memberships.get())
    key = SecretKey.objects.get()
    colleague = signed_in(cast.make_member(acme, "dora"))
    assert "Notebook" not in colleague.get(PAGE).content.decode()
    assert getattr(colleague, method)(f"{PAGE}{key.pk}/revoke/").status_code == 404
    assert SecretKey.objects.usable().exists()


def test_the_sidebar_leads_to_the_keys(as_ana: Client) -> None:
    assert f'href="{PAGE}"' in as_ana.get("/").content.decode()


def test_who_belongs_nowhere_is_told_so(db: None) -> None:
    assert "no organization yet" in signed_in(cast.make_user("eve")).get(PAGE).content.decode()
