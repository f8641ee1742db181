"""Renaming and deleting assets by the API, one or many."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.files.storage import default_storage

from datasets import removal
from datasets.models import Annotation, Asset, Dataset, ImageFacts
from tests import cast
from tests.api.calling import client_of, message
from tests.datasets.api.calling import path, sent
from vi_portal.accounts.models import User


def test_a_deleted_asset_takes_its_image_and_annotations_along(ana: User, valves: Dataset) -> None:
    asset = cast.make_asset(valves, image=cast.jpeg())
    cast.make_annotation(asset)
    kept = cast.make_asset(valves, "other.jpg")
    revision = Dataset.objects.get().revision
    response = sent(client_of(ana), "DELETE", path(valves, f"/assets/{asset.uid}"))
    assert (response.status_code, response.content) == (204, b"")
    assert list(valves.assets.all()) == [kept]
    assert not Annotation.objects.exists()
    assert not default_storage.exists(asset.file)
    assert Dataset.objects.get().revision > revision


def test_an_asset_is_renamed_in_archives_too(ana: User, valves: Dataset) -> None:
    asset, other = cast.make_asset(valves, "a.jpg"), cast.make_asset(valves, "b.jpg")
    told = sent(client_of(ana), "POST", path(valves, f"/assets/{asset.uid}/name"), {"filename": "c.jpg"})
    assert told.json()["filename"] == "c.jpg"
    sent(client_of(ana), "POST", path(valves, "/assetFiles/b.jpg/name"), {"filename": "C.jpg"})
    asset.refresh_from_db()
    other.refresh_from_db()
    assert asset.member_name == "c.jpg"
    assert (other.filename, other.member_name.startswith("C~")) == ("C.jpg", True)


def test_a_rename_finds_a_name_for_archives_where_the_marked_one_is_taken_too(ana: User, valves: Dataset) -> None:
    asset = cast.make_asset(valves, "a.jpg")
    marked = f"b~{asset.uid.replace('-', '')[:8]}.jpg"
    for taken in ("b.jpg", marked):
        cast.make_asset(valves, taken)
    told = sent(client_of(ana), "POST", path(valves, f"/assets/{asset.uid}/name"), {"filename": "B.jpg"})
    assert (told.status_code, told.json().get("filename")) == (200, "B.jpg")
    asset.refresh_from_db()
    assert asset.member_name.startswith("B~")
    assert asset.member_name.casefold() != marked


def test_a_rename_to_the_same_name_changes_nothing_in_archives(ana: User, valves: Dataset) -> None:
    asset = cast.make_asset(valves, "a.jpg")
    sent(client_of(ana), "POST", path(valves, f"/assets/{asset.uid}/name"), {"filename": "a.jpg"})
    asset.refresh_from_db()
    assert asset.member_name == "a.jpg"


def test_a_renamed_asset_keeps_the_image_it_was_given_meanwhile(valves: Dataset) -> None:
    asset = cast.make_asset(valves)
    stale = Asset.objects.get()
    valves.replace_image(asset, ImageFacts(width=20, height=10, file="new.jpg"), keep_annotations=True)
    valves.rename_asset(stale, "valve.jpg")
    asset.refresh_from_db()
    assert (asset.filename, asset.file, asset.width) == ("valve.jpg", "new.jpg", 20)
    removal.remove_assets(valves, valves.assets.all())
    with pytest.raises(Asset.DoesNotExist):
        valves.rename_asset(asset, "back.jpg")
    assert not Asset.objects.exists()


def test_an_asset_whose_name_has_slashes_is_renamed_by_it(ana: User, valves: Dataset) -> None:
    asset = cast.make_asset(valves, "line 7/café/name.jpg")
    renamed = sent(
        client_of(ana), "POST", path(valves, "/assetFiles/line%207/caf%C3%A9/name.jpg/name"), {"filename": "a.jpg"}
    )
    assert (renamed.status_code, renamed.json()["assetId"]) == (200, asset.uid)


@pytest.mark.parametrize(
    ("given", "left"),
    [
        ({"filename": "image_0001.jpg"}, 2),
        ({"filename": {"$in": ["image_0001.jpg", "image_0002.jpg", "none.jpg"]}}, 1),
        ("{'filename': 'image_0001.jpg'}", 2),
        ({"search": "_000", "annotated": "no"}, 3),
        ({}, 0),
    ],
)
def test_many_assets_are_deleted_by_a_filter(ana: User, valves: Dataset, given: Any, left: int) -> None:
    cast.make_annotated(valves, 3)
    client = client_of(ana)
    told = sent(client, "POST", path(valves, "/deleteManyAssetsSessions"), {"spec": {"filter": given}})
    assert told.status_code == 201
    assert valves.assets.count() == left
    again = client.get(path(valves, f"/deleteManyAssetsSessions/{told.json()['deleteManyAssetsSessionId']}"))
    assert again.json() == told.json()
    assert again.json()["metadata"]["attributes"] == {"deleted": str(3 - left)}


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"filter": {"color": "red"}},
        {"filter": {"filename": {"$regex": ".*"}}},
        {"filter": {"annotated": "maybe"}},
        {"filter": "everything"},
        {"filter": {}, "metadataQuery": "size > 3"},
    ],
)
def test_a_filter_that_is_not_understood_deletes_nothing(ana: User, valves: Dataset, spec: dict[str, Any]) -> None:
    cast.make_annotated(valves, 3)
    response = sent(client_of(ana), "POST", path(valves, "/deleteManyAssetsSessions"), {"spec": spec})
    assert response.status_code == 400
    assert message(response)
    assert valves.assets.count() == 3
