"""Every operation of the API, with the right key, with a wrong one, and with none."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client

from tests import cast
from tests.api.calling import key_of, message
from tests.doors.caller import Caller
from tests.doors.operations import operations
from tests.doors.world import NEVER, Place, all_there_is, changed, undone
from vi_portal.accounts.models import Organization, Role, SecretKey, User


def told(response: Any, ids: Mapping[str, str]) -> tuple[Any, ...]:
    """All that an answer tells, without what tells calls apart anyway: the ids asked for, and the call's own."""
    body = response.content.decode()
    for named in ids.values():
        body = body.replace(json.dumps(f"“{named}”")[1:-1], "…")
    headers = {name: value for name, value in response.items() if name not in ("X-Request-Id", "Content-Length")}
    return response.status_code, headers, body


def test_every_operation_works_for_who_may(acmes: Place, ana: User) -> None:
    """Or the tests below would prove nothing."""
    caller = Caller(ana)
    for operation in operations():
        with undone():
            answer = caller.calls(operation, acmes.ids_for(operation.path))
            assert answer.status_code in (200, 201, 204), f"{operation}: {answer.content}"


def test_what_is_anothers_is_not_told_from_what_never_was(acmes: Place, borealis: Place, chloe: User) -> None:
    """From each part of the address on, it names things of Acme, or things that never were: Chloé is told the same."""
    caller, before, tried = Caller(chloe), all_there_is(), 0
    for operation in operations():
        for number in range(len(operation.parameters)):
            own, foreign = borealis.ids_for(operation.path), acmes.ids_for(operation.path)
            outer = {parameter: own[parameter] for parameter in operation.parameters[:number]}
            anothers, never = foreign | outer, NEVER | outer
            if "datasets/{dataset_id}" not in outer:  # with the right organization, or Chloé's own, before it
                never["datasets/{dataset_id}"] = (
                    f"{anothers['workspaces/{organization_id}']}_{NEVER['datasets/{dataset_id}']}"
                )
            one = caller.calls(operation, anothers, signed_for=own)
            other = caller.calls(operation, never, signed_for=own)
            assert one.status_code == (403 if operation.is_link else 404), f"{operation}: {one.content}"
            assert message(one)
            assert told(one, anothers) == told(other, never), operation
            tried += 1
    assert tried > len(operations())
    assert changed(before, all_there_is()) == set()


@pytest.mark.parametrize("form", ["{pk}", "{borealis}_{borealis}_{pk}", "{borealis}_{acme}_{pk}"])
def test_no_spelling_of_a_dataset_reaches_anothers(acmes: Place, borealis: Place, chloe: User, form: str) -> None:
    caller = Caller(chloe)
    for operation in operations():
        if "datasets/{dataset_id}" not in operation.parameters:
            continue
        spelled = [
            form.format(pk=pk, acme=acmes.organization.pk, borealis=borealis.organization.pk)
            for pk in (acmes.dataset.pk, NEVER["datasets/{dataset_id}"])
        ]
        one, other = ({**borealis.ids, "datasets/{dataset_id}": each} for each in spelled)
        answer = caller.calls(operation, one)
        assert answer.status_code == 404
        assert told(answer, one) == told(caller.calls(operation, other), other), operation


def test_a_link_that_was_made_for_a_slot_of_acme_by_a_key_of_borealis_leads_nowhere(
    acmes: Place, borealis: Place, chloe: User
) -> None:
    """The portal never signs one; if it ever did, the organization would still be asked for."""
    caller, before = Caller(chloe), all_there_is()
    for operation in operations():
        if operation.is_link:
            one, other = caller.calls(operation, acmes.ids), caller.calls(operation, NEVER)
            assert one.status_code == 404
            assert told(one, acmes.ids) == told(other, NEVER)
    assert changed(before, all_there_is()) == set()


def refused_callers(ana: User) -> dict[str, dict[str, str]]:
    """Headers that open nothing, by why."""
    revoked, revoked_text = key_of(ana)
    revoked.revoke()
    gone = cast.make_member(ana.memberships.get().organization, "gone")
    _, gone_text = key_of(gone)
    gone.delete()
    resting = cast.make_member(ana.memberships.get().organization, "resting")
    _, resting_text = key_of(resting)
    User.objects.filter(pk=resting.pk).update(is_active=False)
    left = cast.make_member(ana.memberships.get().organization, "left")
    _, left_text = key_of(left)
    left.memberships.all().delete()
    _, good = key_of(ana)
    headers = {
        "none": {},
        "empty": {"Authorization": "Bearer "},
        "garbage": {"Authorization": "Bearer dtvi_\x00ÿ"},
        "unknown": {"Authorization": f"Bearer dtvi_{'x' * 98}"},
        "another scheme": {"Authorization": f"Basic {good}"},
        "no scheme": {"Authorization": good},
        "another header": {"X-Api-Key": good},
        "a cookie": {"Cookie": f"Authorization=Bearer {good}; key={good}"},
        "cut short": {"Authorization": f"Bearer {good[:-1]}"},
        "its digest": {"Authorization": f"Bearer {SecretKey.objects.get(pk=revoked.pk).digest}"},
    }
    dead = {"revoked": revoked_text, "user deleted": gone_text, "user inactive": resting_text, "left": left_text}
    return headers | {why: {"Authorization": f"Bearer {text}"} for why, text in dead.items()}


def test_no_operation_opens_without_a_key_that_is_good(acmes: Place, ana: User, as_ana: Client) -> None:
    """Not even to the session of a page, nor to a good key in the query. Nor is it told what there is."""
    _, good = key_of(ana)
    callers = {why: Client(headers=headers) for why, headers in refused_callers(ana).items()} | {"session": as_ana}
    before = all_there_is()
    for operation in operations():
        real = acmes.ids_for(operation.path)
        never_was = told(operation.call(Client(), NEVER), NEVER)
        for why, client in callers.items():
            answer = operation.call(client, real, query=f"key={quote(good)}")
            assert answer.status_code == (403 if operation.is_link else 401), f"{operation}, {why}: {answer.content}"
            assert message(answer)
            assert ("WWW-Authenticate" in answer) is not operation.is_link
            if why in ("none", "no scheme"):
                assert told(answer, real) == never_was, f"{operation}, {why}"
    assert changed(before, all_there_is()) <= {"sessions.Session"}


@pytest.mark.parametrize("end", ["revoked", "read-only", "viewer", "inactive", "left"])
def test_signed_links_end_with_what_the_key_may(acmes: Place, ana: User, end: str) -> None:
    caller = Caller(ana)
    match end:
        case "revoked":
            caller.key.revoke()
        case "read-only":
            SecretKey.objects.filter(pk=caller.key.pk).update(read_only=True)
        case "viewer":
            ana.memberships.update(role=Role.VIEWER)
        case "inactive":
            User.objects.filter(pk=ana.pk).update(is_active=False)
        case "left":
            ana.memberships.all().delete()
    before = all_there_is()
    for operation in operations():
        if operation.is_link:
            answer = caller.calls(operation, acmes.ids)
            assert answer.status_code == 403
            assert message(answer)
    assert changed(before, all_there_is()) == set()


def test_a_read_only_key_changes_nothing_and_may_export(acmes: Place, ana: User) -> None:
    caller = Caller(ana, read_only=True)
    before = all_there_is()
    for operation in operations():
        if not operation.exports:
            answer = caller.calls(operation, acmes.ids_for(operation.path))
            assert (answer.status_code == 403) is operation.changes, f"{operation}: {answer.content}"
    assert changed(before, all_there_is()) == set()
    [export] = [each for each in operations() if each.exports]
    assert caller.calls(export, acmes.ids).status_code == 200
    assert changed(before, all_there_is()) == {"exports.ExportJob"}


def test_a_viewer_without_the_right_changes_and_exports_nothing(acmes: Place, acme: Organization, ben: User) -> None:
    caller = Caller(ben)
    before = all_there_is()
    for operation in operations():
        answer = caller.calls(operation, acmes.ids_for(operation.path))
        assert (answer.status_code == 403) is operation.changes, f"{operation}: {answer.content}"
        assert answer.status_code == 403 or b"/api/archives/" not in answer.content, operation
    assert changed(before, all_there_is()) == set()


def test_a_viewer_with_the_right_exports_and_changes_nothing_else(acmes: Place, acme: Organization) -> None:
    caller = Caller(cast.make_member(acme, "dora", role=Role.VIEWER, viewer_may_export=True))
    for operation in operations():
        with undone():
            answer = caller.calls(operation, acmes.ids_for(operation.path))
        assert (answer.status_code == 403) is (operation.changes and not operation.exports), operation
    told_of = caller.client.get(f"/workspaces/{acme.pk}/datasets/{acmes.dataset.pk}/datasetExports").content
    assert b"/api/archives/" in told_of
