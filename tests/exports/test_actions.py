"""What the history offers to do with a job, and to whom."""

from __future__ import annotations

import re

from django.test import Client

from datasets.models import Dataset
from tests.exports.jobs import make_failed, make_finished, make_running
from tests.exports.watching import shown
from vi_portal.accounts.models import Membership, User


def actions(client: Client, dataset: Dataset) -> set[str]:
    """The actions the history offers, by the ids of their elements."""
    return set(re.findall(r'id="(download|repeat|cancel|delete)-', shown(client, dataset)))


def test_the_owner_of_the_organization_may_do_everything(as_ana: Client, ana: User, valves: Dataset) -> None:
    make_finished(valves)
    assert actions(as_ana, valves) == {"download", "delete"}
    make_failed(valves)
    assert actions(as_ana, valves) == {"download", "delete", "repeat"}
    make_running(valves)
    assert actions(as_ana, valves) == {"download", "delete", "repeat", "cancel"}


def test_an_expired_export_stays_and_offers_to_be_rebuilt(as_ana: Client, valves: Dataset) -> None:
    make_finished(valves, archive=None)
    page = shown(as_ana, valves)
    assert "Expired" in page
    assert "Rebuild" in page
    assert actions(as_ana, valves) == {"repeat", "delete"}


def test_a_viewer_looks_and_does_nothing(as_ben: Client, valves: Dataset) -> None:
    make_finished(valves)
    make_failed(valves)
    make_running(valves)
    assert actions(as_ben, valves) == set()
    assert shown(as_ben, valves).count("<tbody") == 3


def test_a_viewer_who_may_export_alters_only_his_own(as_ben: Client, ben: User, ana: User, valves: Dataset) -> None:
    Membership.objects.filter(user=ben).update(viewer_may_export=True)
    make_finished(valves, ana)
    make_failed(valves, ana)
    make_running(valves, ana)
    assert actions(as_ben, valves) == {"download", "repeat"}
    make_running(valves, ben)
    make_finished(valves, ben)
    assert actions(as_ben, valves) == {"download", "repeat", "cancel", "delete"}


def test_each_member_has_a_link_of_their_own(as_ana: Client, as_ben: Client, ben: User, valves: Dataset) -> None:
    make_finished(valves)
    link = re.compile(r'href="(/exports/[^"]+/download/[^"]+)"')
    [of_ana] = link.findall(shown(as_ana, valves))
    assert link.findall(shown(as_ben, valves)) == []
    Membership.objects.filter(user=ben).update(viewer_may_export=True)
    [of_ben] = link.findall(shown(as_ben, valves))
    assert (as_ana.get(of_ana).status_code, as_ben.get(of_ben).status_code) == (200, 200)
    assert of_ana != of_ben
    assert as_ben.get(of_ana).status_code == 403
