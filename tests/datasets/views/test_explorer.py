"""The explorer: the datasets of an organization, what each amounts to, and what to do where there are none."""

from __future__ import annotations

import shlex
from datetime import timedelta
from html import unescape

from django.test import Client
from django.urls import reverse
from django.utils import timezone

from datasets.models import Dataset
from exports.models import ExportJob
from exports.spec import ExportSpec
from tests import cast
from tests.datasets.views.showing import queries_of, text_of
from vi_portal.accounts.models import Membership, Organization, User


def test_the_explorer_shows_what_each_dataset_amounts_to(as_ana: Client, valves: Dataset) -> None:
    cast.make_annotated(valves, 3)
    cast.make_asset(valves, "bare.jpg")
    [card] = as_ana.get("/").context["cards"]
    assert (card["counts"].assets, card["counts"].annotations, card["counts"].percent) == (4, 3, 75)
    page = text_of(as_ana.get("/"))
    assert "Valves" in page
    assert "75% annotated" in page
    assert "Never exported" in page


def test_the_explorer_tells_when_a_dataset_was_last_exported(as_ana: Client, ana: User, valves: Dataset) -> None:
    failed = ExportJob.of(ExportSpec(), dataset=valves, user=ana)
    ExportJob.objects.filter(pk=failed.pk).update(state="failed", finished_at=timezone.now())
    assert "Never exported" in text_of(as_ana.get("/"))
    done = ExportJob.of(ExportSpec(), dataset=valves, user=ana)
    moment = timezone.now() - timedelta(hours=3)
    ExportJob.objects.filter(pk=done.pk).update(state="finished", percent=100, finished_at=moment)
    assert "3 hours ago" in unescape(text_of(as_ana.get("/"))).replace("\xa0", " ")


def test_the_organization_chosen_is_remembered(as_ana: Client, ana: User, valves: Dataset) -> None:
    other = cast.make_organization("Zephyr")
    Membership.objects.create(organization=other, user=ana)
    cast.make_dataset(other, name="Sails")
    assert "Valves" in text_of(as_ana.get("/"))
    assert "Sails" in text_of(as_ana.get(f"/?organization={other.pk}"))
    again = text_of(as_ana.get("/"))
    assert "Sails" in again
    assert "Valves" not in again


def test_organizations_of_others_are_not_there(as_ana: Client, chloe: User) -> None:
    borealis = Organization.objects.get(name="Borealis")
    assert as_ana.get(f"/?organization={borealis.pk}").status_code == 404
    assert as_ana.get("/?organization=nonsense").status_code == 404


def test_a_membership_that_ended_is_forgotten(as_ana: Client, ana: User, valves: Dataset) -> None:
    other = cast.make_organization("Zephyr")
    membership = Membership.objects.create(organization=other, user=ana)
    as_ana.get(f"/?organization={other.pk}")
    membership.delete()
    assert "Valves" in text_of(as_ana.get("/"))


def test_empty_places_say_what_to_do(as_ana: Client, acme: Organization, db: None) -> None:
    empty = text_of(as_ana.get("/"))
    assert "manage.py import_dataset --organization Acme " in empty
    lonely = Client()
    lonely.force_login(cast.make_user("dora"), backend="django.contrib.auth.backends.ModelBackend")
    assert "You belong to no organization yet" in text_of(lonely.get("/"))


def test_a_command_to_copy_runs_nothing_that_is_in_a_name(as_ana: Client, acme: Organization) -> None:
    dataset = cast.make_dataset(acme, name="Valves'; rm -rf ~ #")
    page = unescape(text_of(as_ana.get(reverse("dataset", args=[dataset.pk]))))
    command = page[page.index("python manage.py import_dataset") : page.index("</pre>")]
    assert "Valves'; rm -rf ~ #" in shlex.split(command)


def test_the_explorer_asks_as_often_for_one_dataset_as_for_many(as_ana: Client, acme: Organization) -> None:
    def grow(name: str) -> None:
        cast.make_annotated(cast.make_dataset(acme, name=name), 2)

    grow("One")
    few = queries_of(as_ana, "/")
    for number in range(6):
        grow(f"Another {number}")
    assert queries_of(as_ana, "/") == few
