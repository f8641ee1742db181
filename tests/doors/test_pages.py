"""Every page there is, for who is signed in elsewhere, who is not, and who may only look."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from datasets.models import ImportJob, ImportSession
from exports import storage
from tests.api.calling import key_of
from tests.conftest import signed_in
from tests.doors.world import NEVER, Place, all_there_is, changed
from vi_portal.accounts.models import User

PARAMETER = re.compile(r"[^/<>]*/?<\w+:\w+>")
#: Anybody's.
OPEN = {"sign-in", "sign-out", None}
#: What a viewer may send to: the own keys.
OWN = {"secret-keys", "sign-in", "sign-out"}


@dataclass(frozen=True)
class Page:
    """One address of the site, and its name."""

    route: str
    name: str | None

    @property
    def parameters(self) -> list[str]:
        return PARAMETER.findall(self.route)

    def address(self, ids: Mapping[str, str]) -> str:
        """The address of the things in `ids`."""
        path = self.route
        for parameter in self.parameters:
            assert parameter in ids, f"There is no example of “{parameter}” for {self.route} in {__name__}."
            path = path.replace(parameter, parameter.partition("<")[0] + ids[parameter], 1)
        return f"/{path}"


def pages(resolver: URLResolver | None = None, before: str = "") -> Iterator[Page]:
    """All there are, but for the administration and the API, whose addresses are in namespaces."""
    for each in (resolver or get_resolver()).url_patterns:
        route = before + str(each.pattern)
        if isinstance(each, URLPattern):
            yield Page(route, each.name)
        elif each.namespace is None:
            yield from pages(each, route)


def ids_of(place: Place, *, reader: User) -> dict[str, str]:
    """What the pages of `place` name, with a download link that was signed for `reader`."""
    session = ImportSession.objects.create(dataset=place.dataset, user=place.user, upload_before="2100-01-01T00:00Z")
    return {
        "datasets/<uuid:pk>": str(place.dataset.pk),
        "assets/<uid:uid>": place.asset.uid,
        "imports/<uuid:pk>": str(ImportJob.objects.create(dataset=place.dataset, session=session).pk),
        "exports/<uuid:pk>": str(place.export.pk),
        "keys/<int:pk>": str(key_of(place.user)[0].pk),
        "download/<str:signature>": storage.sign(place.export.pk, user_id=reader.pk),
        "/<str:filename>": "export.zip",
    }


def never(reader: User) -> dict[str, str]:
    """What the pages could name, of which nothing ever was."""
    export = uuid.UUID(NEVER["datasetExports/{export_id}"])
    return {
        "datasets/<uuid:pk>": NEVER["datasets/{dataset_id}"],
        "assets/<uid:uid>": NEVER["assets/{asset_id}"],
        "imports/<uuid:pk>": NEVER["annotationImportSessions/{session_id}"],
        "exports/<uuid:pk>": str(export),
        "keys/<int:pk>": "999999",
        "download/<str:signature>": storage.sign(export, user_id=reader.pk),
        "/<str:filename>": "export.zip",
    }


def told(response: Any) -> tuple[int, str]:
    """What an answer tells, without what is new in every page."""
    body = re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", response.content.decode())
    return response.status_code, re.sub(r"sign-in/\?next=[^\"]*", "", body)


@pytest.mark.parametrize("method", ["get", "post"])
def test_what_is_anothers_does_not_exist(acmes: Place, borealis: Place, chloe: User, method: str) -> None:
    ids, client = ids_of(acmes, reader=chloe), signed_in(chloe)
    before, nothing = all_there_is(), never(chloe)
    for page in pages():
        if page.parameters:
            never_was = getattr(client, method)(page.address(nothing))
            assert never_was.status_code in (404, 405), page
            assert told(getattr(client, method)(page.address(ids))) == told(never_was), page
    assert changed(before, all_there_is()) <= {"sessions.Session"}


def test_an_asset_of_another_is_not_reached_through_ones_own_dataset(
    acmes: Place, borealis: Place, chloe: User
) -> None:
    ids = ids_of(acmes, reader=chloe) | {"datasets/<uuid:pk>": str(borealis.dataset.pk)}
    for page in pages():
        if "assets/<uid:uid>" in page.parameters:
            assert signed_in(chloe).get(page.address(ids)).status_code == 404, page


def test_who_is_not_signed_in_is_sent_to_do_so(acmes: Place, ana: User, client: Client) -> None:
    ids = ids_of(acmes, reader=ana)
    before = all_there_is()
    for page in pages():
        for method in ("get", "post"):
            if page.name not in OPEN:
                answer = getattr(client, method)(page.address(ids), headers={"Accept": "text/html"})
                assert answer.status_code == 405 or answer["Location"].startswith("/sign-in/?next="), page
    assert changed(before, all_there_is()) == set()


def test_nothing_is_sent_from_the_page_of_somebody_else(acmes: Place, ana: User) -> None:
    """Every form carries a token; without it, nothing is done in the name of who is signed in."""
    ids, client = ids_of(acmes, reader=ana), Client(enforce_csrf_checks=True)
    client.force_login(ana, backend="django.contrib.auth.backends.ModelBackend")
    before, refused = all_there_is(), 0
    for page in pages():
        answer = client.post(page.address(ids), {"name": "Notebook", "membership": ana.memberships.get().pk})
        assert answer.status_code in (403, 405), page
        refused += answer.status_code == 403
    assert refused > 10
    assert changed(before, all_there_is()) == set()


def test_a_viewer_changes_and_exports_nothing(acmes: Place, ana: User, ben: User) -> None:
    ids, client = ids_of(acmes, reader=ben), signed_in(ben)
    before, refused = all_there_is(), set()
    for page in pages():
        if page.name not in OWN:
            answer = client.post(page.address(ids))
            assert answer.status_code in (403, 404, 405), page
            refused |= {page.name} if answer.status_code == 403 else set()
    assert refused >= {"delete-dataset", "upload", "cancel-import", "delete-asset", "export", "export-preview"}
    assert refused >= {"cancel-export", "repeat-export", "delete-export"}
    assert client.get(f"/exports/{acmes.export.pk}/download/{ids['download/<str:signature>']}/x").status_code == 403
    assert changed(before, all_there_is()) <= {"sessions.Session"}


@pytest.mark.django_db(transaction=True, databases=["default", "snapshot"])
def test_every_page_opens_for_who_may(acmes: Place, ana: User) -> None:
    """Or the tests above would prove nothing."""
    User.objects.filter(pk=ana.pk).update(is_staff=True)
    ids, client = ids_of(acmes, reader=ana), signed_in(ana)
    for page in pages():
        if page.name:  # or the answer is that no worker is there
            assert client.get(page.address(ids)).status_code in (200, 302, 405), page
