"""Datasets, assets and images by the API: ids, pages, and addresses that need no key."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db.models.functions import Now
from django.test import Client
from django.utils import timezone

from datasets.api.images import url_name
from datasets.models import BulkAssetDeletion, Dataset, ImageFacts, ImportSession, IngestionSession, NewAsset
from exports.models import ExportJob
from exports.spec import ExportSpec
from tests import cast
from tests.api.calling import client_of, key_of, message
from vi_portal.accounts.models import Organization, User

ODD_NAMES = [
    "line 07.jpg",
    "line_07.jpg",
    "工場_12.jpg",
    "工場_13.jpg",
    "Línea.JPG",
    "Línea.jpg",
    "50%.png",
    "a+b?.png",
    "..jpg",
]


def at(dataset: Dataset, *more: object) -> str:
    parts = ("workspaces", dataset.organization_id, "datasets", f"{dataset.organization_id}_{dataset.pk}", *more)
    return "/" + "/".join(map(str, parts))


def walked(client: Client, path: str, size: int) -> list[dict[str, Any]]:
    """All the items of a list, page by page."""
    found: list[dict[str, Any]] = []
    token = ""
    while True:
        page = client.get(path, {"s": size} | ({"p": token} if token else {})).json()
        assert len(page["items"]) <= size
        found += page["items"]
        token = page.get("nextPage")
        if not token:
            return found


def test_a_dataset_has_one_id_and_several_spellings_of_it(ana: User, valves: Dataset) -> None:
    organization = valves.organization_id
    client = client_of(ana)
    for named in (valves.pk, f"{organization}_{valves.pk}", f"{organization}_{organization}_{valves.pk}"):
        found = client.get(f"/workspaces/{organization}/datasets/{named}")
        assert found.json()["datasetId"] == f"{organization}_{valves.pk}"
    for named in (f"x_{valves.pk}", f"{organization}_x", f"{organization}_{organization}_{organization}_{valves.pk}"):
        refused = client.get(f"/workspaces/{organization}/datasets/{named}")
        assert (refused.status_code, message(refused)) == (404, f"There is no dataset “{named}”.")


@pytest.mark.parametrize("query", ["", "sortBy=filename&", "sortBy=metadata.fileSize&o=desc&", "sortBy=assetId&"])
def test_pages_hold_every_asset_once_even_where_many_are_alike(ana: User, valves: Dataset, query: str) -> None:
    made = {asset.uid for asset in cast.make_annotated(valves, 7)}
    found = walked(client_of(ana), f"{at(valves, 'assets')}?{query}", 3)
    assert sorted(each["assetId"] for each in found) == sorted(made)


@pytest.mark.parametrize("kind", [BulkAssetDeletion, ImportSession, IngestionSession, ExportJob])
def test_pages_skip_nothing_that_came_in_the_same_moment(ana: User, valves: Dataset, kind: Any) -> None:
    needed: dict[Any, dict[str, Any]] = {
        ExportJob: {"options": ExportSpec().as_dict()},
        ImportSession: {"upload_before": timezone.now()},
    }
    for _ in range(4):
        kind.objects.create(dataset=valves, **needed.get(kind, {}))
    kind.objects.update(created_at=Now())
    below = {
        BulkAssetDeletion: "deleteManyAssetsSessions",
        ImportSession: "annotationImportSessions",
        IngestionSession: "assetSources/managed/datature/default/assetIngestionSessions",
        ExportJob: "datasetExports",
    }
    assert len(walked(client_of(ana), at(valves, below[kind]), 1)) == 4


def test_what_is_deleted_between_two_pages_makes_nothing_be_skipped(ana: User, valves: Dataset) -> None:
    assets = cast.make_annotated(valves, 6)
    client = client_of(ana)
    first = client.get(at(valves, "assets"), {"s": 3}).json()
    for asset in assets[:3]:
        asset.delete()
    rest = client.get(at(valves, "assets"), {"s": 3, "p": first["nextPage"]}).json()
    assert [each["assetId"] for each in rest["items"]] == [asset.uid for asset in assets[3:]]


def test_a_thousand_or_more_come_in_one_page_of_which_no_more_than_a_piece_is_at_hand(
    ana: User, valves: Dataset
) -> None:
    client, address = client_of(ana), at(valves, "assets") + "?s=1000&sortBy=filename&o=desc&contents=y"
    assert json.loads(client.get(address).getvalue()) == {"items": []}
    made = cast.make_annotated(valves, 1100)
    pieces = list(client.get(address))
    assert max(map(len, pieces)) < sum(map(len, pieces)) / 2
    page = json.loads(b"".join(pieces))
    assert [each["assetId"] for each in page["items"]] == [asset.uid for asset in reversed(made)]
    assert {each["metadata"]["annotations"]["total"] for each in page["items"]} == {1}
    assert not page.get("nextPage")


@pytest.mark.parametrize("token", ["x", "!!", "W10", "WyJhIl0", "bnVsbA", "WzFlOTk5XQ", "WzkyMjMzNzIwMzY4NTQ3NzU4MDhd"])
def test_a_token_of_another_kind_is_refused(ana: User, valves: Dataset, token: str) -> None:
    asset = cast.make_asset(valves)
    for path in (at(valves, "assets"), at(valves, "datasetExports"), at(valves, "assets", asset.uid, "annotations")):
        answer = client_of(ana).get(path, {"p": token})
        assert (answer.status_code, "page token" in message(answer)) == (400, True)


def test_counts_are_told_of_each_asset(ana: User, valves: Dataset) -> None:
    one, two = cast.make_asset(valves, "1.jpg"), cast.make_asset(valves, "2.jpg")
    cast.make_annotation(two)
    cast.make_annotation(two)
    items = client_of(ana).get(at(valves, "assets")).json()["items"]
    assert [each["metadata"]["annotations"]["total"] for each in items] == [0, 2]
    assert client_of(ana).get(at(valves, "assets:count")).json() == {"count": 2}
    assert client_of(ana).get(at(valves, "assets", one.uid)).json()["filename"] == "1.jpg"


def test_the_names_in_addresses_are_plain_and_apart(valves: Dataset) -> None:
    assets = valves.add_assets([NewAsset(name, ImageFacts(width=8, height=8)) for name in ODD_NAMES])
    names = [url_name(asset) for asset in assets]
    assert len({name.lower() for name in names}) == len(ODD_NAMES)
    assert all(name.isascii() and not set(name) & set(" %+?/#") for name in names)
    assert names[1] == "line_07.jpg"


def test_an_image_is_fetched_with_no_key_until_the_key_is_revoked(ana: User, valves: Dataset) -> None:
    picture = cast.jpeg()
    asset = cast.make_asset(valves, "工場_12.jpg", image=picture)
    missing = cast.make_asset(valves, "missing.jpg")
    key, text = key_of(ana)
    client = Client(headers={"Authorization": f"Bearer {text}"})
    found = client.get(at(valves, "assets", asset.uid), {"contents": "y"}).json()
    link = found["contents"]["asset"]["url"].removeprefix("http://testserver")
    response = Client().get(link)
    assert b"".join(response) == picture  # type: ignore[arg-type, unused-ignore]
    assert response["Content-Type"] == "image/jpeg"
    assert Client().get(link.replace(asset.uid, missing.uid)).status_code == 403
    assert "contents" not in client.get(at(valves, "assets", missing.uid), {"contents": "y"}).json()
    key.revoke()
    assert Client().get(link).status_code == 403


def test_datasets_are_listed_to_choose_from(ana: User, valves: Dataset, acme: Organization, chloe: User) -> None:
    cast.make_dataset(acme, name="Pipes")
    listed = walked(client_of(ana), f"/workspaces/{acme.pk}/simpleDatasets", 1)
    assert [each["name"] for each in listed] == ["Valves", "Pipes"]
    assert listed[0] == {"datasetId": f"{acme.pk}_{valves.pk}", "name": "Valves", "type": "phrase-grounding"}


def test_who_sees_a_dataset_is_told(ana: User, ben: User, chloe: User, valves: Dataset) -> None:
    client = client_of(ben)
    told = client.get(at(valves, "collaborators")).json()["items"]
    assert [(each["userId"], each["workspaceRole"]) for each in told] == [
        (str(ana.pk), "owner"),
        (str(ben.pk), "viewer"),
    ]
    assert client.get(f"/workspaces/{valves.organization_id}/collaborators").json()["items"] == told


def test_statistics_are_of_now(ana: User, ben: User, valves: Dataset) -> None:
    client = client_of(ben)
    for count in (2, 3):
        cast.make_annotated(valves, 1 if count == 3 else 2, start=count)
        assert client.post(at(valves, "aggregationStatistics:generate")).status_code == 204
        told = client.get(at(valves, "aggregationStatistics")).json()
        assert told["statistic"]["annotationTotal"] == count
        assert told["labelTotal"] == len(told["labels"]) > 0
        assert told["labels"][0]["count"] % count == 0


def test_an_annotation_is_found_by_its_own_id_and_by_that_of_its_box(ana: User, valves: Dataset) -> None:
    asset = cast.make_asset(valves, width=1000, height=800)
    contents = cast.grounding("A red valve", "red valve", (100, 200, 300, 400), (0, 0, 500, 800))
    annotation = cast.make_annotation(asset, contents)
    path = at(valves, "assets", asset.uid, "annotations")
    client = client_of(ana)
    caption, first, second = walked(client, path, 1)
    assert caption["spec"]["contents"] == {"kind": "Caption", "contents": "A red valve"}
    assert first["spec"]["contents"]["bound"] == [[0.1, 0.25], [0.3, 0.25], [0.3, 0.5], [0.1, 0.5]]
    assert first["spec"]["contents"]["target"] == [1, 2]
    assert second["spec"]["aggregation"]["whole"]["id"] == caption["annotationId"]
    assert client.get(f"{path}/{second['annotationId']}").json() == second
    assert client.get(f"{path}/{annotation.uid}").json() == caption
    for absent in (f"{caption['annotationId']}-3", f"{caption['annotationId']}-0", "n999999", "%00"):
        assert client.get(f"{path}/{absent}").status_code == 404


def test_nothing_of_another_organization_is_there(chloe: User, valves: Dataset) -> None:
    asset = cast.make_asset(valves)
    cast.make_annotation(asset)
    own = cast.make_dataset(Organization.objects.get(name="Borealis"), name="Own")
    client = client_of(chloe)
    paths = ((), ("assets",), ("assets:count",), ("assets", asset.uid), ("assets", asset.uid, "annotations"))
    assert {client.get(at(valves, *path)).status_code for path in paths} == {404}
    assert client.get(at(own, "assets", asset.uid)).status_code == 404
    foreign = f"/workspaces/{own.organization_id}/datasets/{own.organization_id}_{valves.pk}"
    assert client.get(foreign).status_code == 404
