"""What the history offers to do with a job, and to whom."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from django.test import Client

from datasets.models import Dataset, ImportJob, ImportSession
from exports.models import ExportJob
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


def offered(client: Client, dataset: Dataset) -> dict[str, str]:
    """What the history offers: the accessible name of each button and link in its rows, and what is written on it."""
    found: dict[str, str] = {}
    for row in re.findall(r"<tbody.*?</tbody>", shown(client, dataset)):
        in_the_row = {}
        for attributes, content in re.findall(r"<(?:a|button)\b([^>]*)>(.*?)</(?:a|button)>", row):
            written = re.sub(r"<.*?>", "", content).strip()
            [name] = re.findall(r'aria-label="(.*?)"', attributes) or [written]
            in_the_row[name] = written
        assert not in_the_row.keys() & found.keys(), "a name must not mean what is in two rows"
        found |= in_the_row
    return found


def test_what_may_be_done_names_the_job_for_who_hears_it_alone(as_ana: Client, ana: User, valves: Dataset) -> None:
    begun = datetime(2026, 2, 1, 12, 3, 4, tzinfo=UTC)
    jobs = (make_finished(valves), make_failed(valves), make_finished(valves, archive=None), make_running(valves))
    for number, job in enumerate(jobs):
        ExportJob.objects.filter(pk=job.pk).update(created_at=begun + timedelta(seconds=number))
    session = ImportSession.objects.create(dataset=valves, user=ana, upload_before=begun)
    ImportJob.objects.create(dataset=valves, user=ana, session=session, created_at=begun)
    names = offered(as_ana, valves)
    assert {
        "Download the export of 1 Feb, 12:03:04": "Download",
        "Delete the export of 1 Feb, 12:03:04": "",
        "Retry the export of 1 Feb, 12:03:05": "Retry",
        "Rebuild the export of 1 Feb, 12:03:06": "Rebuild",
        "Cancel the export of 1 Feb, 12:03:07": "Cancel",
        "Cancel the import of 1 Feb, 12:03:04": "Cancel",
    }.items() <= names.items()
    assert all(re.search(r"the (export|import) of 1 Feb, 12:03:0\d", name) for name in names)
    assert all(name.startswith(written) for name, written in names.items()), "or who speaks to the page is not heard"


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
