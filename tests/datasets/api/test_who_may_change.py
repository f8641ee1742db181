"""Who may change nothing by the API: readers, viewers and other organizations."""

from __future__ import annotations

from typing import Any

from datasets.models import Annotation, Dataset
from tests import cast
from tests.api.calling import client_of, message
from tests.datasets.api.calling import annotation_path, path, sent
from vi_portal.accounts.models import User


def changes(dataset: Dataset, annotation: Annotation) -> list[tuple[str, str, Any]]:
    asset = f"/assets/{annotation.asset.uid}"
    return [
        ("POST", f"/workspaces/{dataset.organization_id}/datasets", {"name": "New", "type": "vqa"}),
        ("PATCH", path(dataset), {"name": "Other"}),
        ("DELETE", path(dataset), None),
        ("DELETE", path(dataset, asset), None),
        ("POST", path(dataset, f"{asset}/name"), {"filename": "x.jpg"}),
        ("POST", path(dataset, "/assetFiles/line_07.jpg/name"), {"filename": "x.jpg"}),
        ("POST", path(dataset, "/deleteManyAssetsSessions"), {"spec": {"filter": {}}}),
        ("DELETE", annotation_path(annotation), None),
        ("PUT", annotation_path(annotation), {"spec": {"caption": "x"}}),
        ("PATCH", annotation_path(annotation), {"spec": {"caption": "x"}}),
        (
            "POST",
            path(dataset, "/assetSources/managed/datature/default/assetIngestionSessions"),
            {"spec": {"assets": [{"filename": "a.jpg", "size": 3, "mime": "image/jpeg"}]}},
        ),
        ("POST", path(dataset, "/annotationImportSessions"), {"spec": {}}),
    ]


def test_a_read_only_key_and_a_viewer_change_nothing(ana: User, ben: User, valves: Dataset) -> None:
    annotation = cast.make_annotation(cast.make_asset(valves))
    before = Dataset.objects.values().get()
    for client in (client_of(ana, read_only=True), client_of(ben)):
        for method, address, body in changes(valves, annotation):
            response = sent(client, method, address, body)
            assert response.status_code == 403, (method, address)
            assert message(response)
    assert Dataset.objects.values().get() == before
    assert Annotation.objects.get().contents == annotation.contents


def test_another_organizations_things_do_not_exist(chloe: User, valves: Dataset) -> None:
    annotation = cast.make_annotation(cast.make_asset(valves))
    for method, address, body in changes(valves, annotation):
        assert sent(client_of(chloe), method, address, body).status_code == 404, (method, address)
        own = address.replace(f"/workspaces/{valves.organization_id}/", f"/workspaces/{_own(chloe)}/")
        if address != f"/workspaces/{valves.organization_id}/datasets":
            assert sent(client_of(chloe), method, own, body).status_code == 404, (method, own)
    assert Annotation.objects.exists()


def _own(user: User) -> str:
    return str(user.memberships.get().organization_id)
