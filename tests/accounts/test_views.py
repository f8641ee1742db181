"""Signing in and out, and what the sidebar knows of the person."""

from __future__ import annotations

from django.conf import settings
from django.test import Client
from django.urls import reverse

from datasets.models import Dataset
from tests import cast
from vi_portal.accounts.models import Membership, User

SIGN_IN = "/sign-in/"


def sign_in(client: Client, username: str, password: str, **more: str) -> int:
    return client.post(SIGN_IN, {"username": username, "password": password, **more}).status_code


def test_the_right_password_leads_where_one_was_going(client: Client, ana: User, valves: Dataset) -> None:
    goal = reverse("dataset", args=[valves.pk])
    assert client.get(goal)["Location"] == f"{SIGN_IN}?next={goal}"
    form = client.get(f"{SIGN_IN}?next={goal}").content.decode()
    assert f'name="next" value="{goal}"' in form
    response = client.post(SIGN_IN, {"username": "ana", "password": cast.PASSWORD, "next": goal})
    assert response["Location"] == goal
    assert client.get(goal).status_code == 200


def test_the_way_on_never_leaves_the_portal(client: Client, ana: User) -> None:
    form = {"username": "ana", "password": cast.PASSWORD, "next": "https://elsewhere.example/"}
    assert client.post(SIGN_IN, form)["Location"] == "/"


def test_a_wrong_password_is_told_in_words_and_the_name_is_kept(client: Client, ana: User) -> None:
    page = client.post(SIGN_IN, {"username": "ana", "password": "wrong"}).content.decode()
    assert "do not belong together" in page
    assert 'value="ana"' in page
    assert "wrong" not in page


def test_too_many_wrong_passwords_close_the_door_for_a_while(client: Client, ana: User) -> None:
    for _ in range(settings.AXES_FAILURE_LIMIT):
        last = client.post(SIGN_IN, {"username": "ana", "password": "wrong"})
    assert last.status_code == 429
    assert "Too many attempts" in last.content.decode()
    assert "15 minutes" in last.content.decode()
    assert sign_in(client, "ana", cast.PASSWORD) == 429


def test_one_signs_out_by_a_form_and_not_by_a_link(as_ana: Client) -> None:
    assert as_ana.get("/sign-out/").status_code == 405
    assert as_ana.post("/sign-out/")["Location"] == SIGN_IN
    assert as_ana.get("/")["Location"].startswith(SIGN_IN)


def test_signing_out_twice_is_no_mistake(client: Client, db: None) -> None:
    assert client.post("/sign-out/")["Location"] == SIGN_IN


def test_a_partial_whose_session_is_over_reloads_its_page(client: Client, db: None) -> None:
    response = client.get("/", headers={"HX-Request": "true"}, follow=True)
    assert response["HX-Refresh"] == "true"


def test_the_sidebar_names_person_role_and_organizations(as_ana: Client, ana: User, valves: Dataset) -> None:
    assert "Zephyr" not in as_ana.get("/").content.decode()
    other = cast.make_organization("Zephyr")
    Membership.objects.create(organization=other, user=ana, role="viewer")
    page = as_ana.get("/").content.decode()
    assert "Ana" in page
    assert "Owner" in page
    assert f'href="/?organization={other.pk}"' in page


def test_the_sidebar_follows_the_dataset(as_ana: Client, ana: User, valves: Dataset) -> None:
    other = cast.make_organization("Zephyr")
    Membership.objects.create(organization=other, user=ana, role="viewer")
    sails = cast.make_dataset(other, name="Sails")
    page = as_ana.get(reverse("dataset", args=[sails.pk])).content.decode()
    assert "Sails" in page
    assert "Valves" not in page
    assert "Viewer" in page


def test_only_staff_sees_the_administration(as_ana: Client, ana: User) -> None:
    assert "/admin/" not in as_ana.get("/").content.decode()
    User.objects.filter(pk=ana.pk).update(is_staff=True, is_superuser=True)
    assert "/admin/" in as_ana.get("/").content.decode()
    for table in (
        "accounts/organization",
        "accounts/user",
        "datasets/dataset",
        "datasets/asset",
        "datasets/annotation",
    ):
        assert as_ana.get(f"/admin/{table}/").status_code == 200
    assert "Django" not in as_ana.get("/admin/").content.decode()


def test_lost_visitors_get_a_page_of_the_portal(client: Client, as_ana: Client) -> None:
    response = as_ana.get("/nowhere/")
    assert response.status_code == 404
    assert "Go to the Explorer" in response.content.decode()
