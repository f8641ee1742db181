"""Assets found with the vendor's client: by filter, by metadata, and what cannot be asked for."""

from __future__ import annotations

import uuid
from typing import Any

import httpx
import pytest
from vi.api.resources.datasets.assets.types import AssetSortCriterion, SortCriterion, SortOrder
from vi.client.errors import ViValidationError

from tests.sdk.conftest import Place
from tests.sdk.files import image, record, write_records

KEPT: dict[str, dict[str, Any] | None] = {
    "north.png": {"camera": "aerial", "lens type": "wide angle", "run": 7, "night": True, "gain": 1.5},
    "south.png": {"camera": "Aerial 2", "run": 17, "night": False},
    "west.png": None,
}


@pytest.fixture(scope="module")
def found(place: Place, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, str]:
    """Ana's client, and a dataset of three images, two with metadata, one with an annotation."""
    client = place.client()
    dataset: str = client.datasets.create(f"Found {uuid.uuid4().hex[:8]}").dataset_id
    pictures = {name: image(number) for number, name in enumerate(KEPT)}
    assets = [
        {"filename": name, "mime": "image/png", "size": len(pictures[name]), "kind": "Image", "customMetadata": kept}
        for name, kept in KEPT.items()
    ]
    sessions = f"/workspaces/{place.organization}/datasets/{place.organization}_{dataset}"
    sessions += "/assetSources/managed/datature/default/assetIngestionSessions"
    # The client's own uploader has no argument for metadata; its requests have the field.
    opened = client._requester.post(sessions, json_data={"spec": {"assets": assets}})
    for slot in opened["status"]["assets"]:
        assert slot["metadata"].get("customMetadata") == KEPT[slot["metadata"]["filename"]]
        sent = httpx.put(slot["upload"]["url"], content=pictures[slot["metadata"]["filename"]])
        assert sent.is_success, sent.text
    folder = tmp_path_factory.mktemp("found")
    client.annotations.upload(dataset, write_records(folder / "a.jsonl", [record("north.png", 0)]))
    return client, dataset


def names(client: Any, dataset: str, **asked: Any) -> list[str]:
    """What is listed; what is counted must be as much."""
    listed = [each.filename for each in client.assets.list(dataset, **asked).items]
    assert client.assets.count(dataset, **asked) == len(listed)
    return listed


def test_assets_are_found_by_a_filter(found: tuple[Any, str]) -> None:
    client, dataset = found
    asset = client.assets.list(dataset).items[1]
    assert names(client, dataset, filter_criteria={"filename": "south.png"}) == ["south.png"]
    assert names(client, dataset, filter_criteria='{"filename": {"$in": ["west.png", "x"]}}') == ["west.png"]
    assert names(client, dataset, filter_criteria={"assetId": asset.asset_id}) == [asset.filename]
    assert names(client, dataset, filter_criteria={"file_type": "image/jpeg"}) == []
    assert names(client, dataset, filter_criteria={"annotated": "yes"}) == ["north.png"]
    assert names(client, dataset, filter_criteria={"search": "TH", "annotated": "no"}) == ["south.png"]
    assert len(names(client, dataset, filter_criteria={})) == 3


def test_metadata_is_told_as_it_was_sent(found: tuple[Any, str]) -> None:
    client, dataset = found
    for each in client.assets.list(dataset).items:
        assert each.metadata.custom_metadata == (KEPT[each.filename] or {})
        assert each.metadata.custom_metadata_count == len(KEPT[each.filename] or {})
        assert client.assets.get(dataset, each.asset_id).metadata.custom_metadata == each.metadata.custom_metadata


@pytest.mark.parametrize(
    ("query", "loose", "strict"),
    [
        ("camera:aerial", ["north.png", "south.png"], ["north.png"]),
        ("run:7", ["north.png", "south.png"], ["north.png"]),
        ('"lens type":"wide angle" camera:aerial', ["north.png"], ["north.png"]),
        ("night:true", ["north.png"], ["north.png"]),
        ("night:false", ["south.png"], ["south.png"]),
        ("gain:1.5", ["north.png"], ["north.png"]),
        ("camera:%", [], []),
        ("Camera:aerial", [], []),
        ("colour:red", [], []),
    ],
)
def test_assets_are_found_by_metadata(found: tuple[Any, str], query: str, loose: list[str], strict: list[str]) -> None:
    client, dataset = found
    assert names(client, dataset, metadata_query=query) == loose
    assert names(client, dataset, metadata_query=query, strict_query=True) == strict


def test_a_filter_goes_with_an_order_and_with_pages(found: tuple[Any, str]) -> None:
    client, dataset = found
    asked = {
        "filter_criteria": {"search": "th"},
        "sort_by": AssetSortCriterion(criterion=SortCriterion.FILENAME, order=SortOrder.DESC),
        "page_after": True,
    }
    first = client.assets.list(dataset, {"page_size": 1}, **asked)
    second = client.assets.list(dataset, {"page_size": 1, "page_token": first.next_page}, **asked)
    assert [each.filename for each in [*first.items, *second.items]] == ["south.png", "north.png"]
    assert not second.next_page


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"filter_criteria": {"color": "red"}}, "color"),
        ({"filter_criteria": {"filename": {"$regex": ".*"}}}, "regex"),
        ({"filter_criteria": "everything"}, "JSON object"),
        ({"filter_criteria": {"annotated": "maybe"}}, "annotated"),
        ({"metadata_query": "camera"}, "metadata query"),
        ({"metadata_query": "7:camera"}, "number"),
        ({"rule_query": "a > 3"}, "ruleQuery"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_by_name(found: tuple[Any, str], asked: dict[str, Any], named: str) -> None:
    client, dataset = found
    for call in (client.assets.list, client.assets.count, client.datasets.bulk_delete_assets):
        with pytest.raises(ViValidationError, match=named):
            call(dataset, **asked)
    assert client.assets.count(dataset) == 3


def test_assets_are_deleted_by_metadata(place: Place) -> None:
    client = place.client()
    dataset = client.datasets.create(f"Gone {uuid.uuid4().hex[:8]}").dataset_id
    client.assets.upload(dataset, assets_bytes=[("a.png", image(1))], show_progress=False)
    client.datasets.bulk_delete_assets(dataset, metadata_query="camera:aerial")
    assert client.assets.count(dataset) == 1


def test_a_thumbnail_is_fetched_with_no_key(found: tuple[Any, str]) -> None:
    client, dataset = found
    [asset] = client.assets.list(dataset, {"page_size": 1}, contents=True).items
    told = httpx.get(asset.contents.thumbnail.url)
    assert (told.status_code, told.headers["content-type"]) == (200, "image/jpeg")
    assert told.content.startswith(b"\xff\xd8")
    assert httpx.get(asset.contents.thumbnail.url[:-3]).status_code == 403


def test_upload_sessions_are_listed_with_what_was_not_taken(place: Place) -> None:
    client = place.client()
    dataset = client.datasets.create(f"Sessions {uuid.uuid4().hex[:8]}").dataset_id
    cut_short = image(2, size=(400, 300), format="JPEG")[:1500]
    for sent in (("a.png", image(1)), ("b.jpg", cut_short)):
        client.assets.upload(dataset, assets_bytes=[sent], show_progress=False)
    listed = client.asset_sources.list_ingestion_sessions(dataset, "managed", "datature", "default").items
    assert [each["status"]["progressCount"] for each in listed] == [
        {"total": 1, "succeeded": 1, "errored": 0},
        {"total": 1, "succeeded": 0, "errored": 1},
    ]
    assert [event["files"] for event in listed[1]["status"]["events"]] == [{"b.jpg": "ECORRUPT"}]


def test_attributes_of_a_dataset_are_merged(place: Place) -> None:
    client = place.client()
    made = client.datasets.create(f"Kept {uuid.uuid4().hex[:8]}", metadata={"site": "north", "by": "Ana"}).dataset_id
    address = f"/workspaces/{place.organization}/datasets/{place.organization}_{made}"
    client.datasets.update(made, metadata={"reviewed": "yes", "by": "Ben"})
    # The client's own type of a dataset has no place for them.
    kept = client._requester.get(address)["metadata"]["attributes"]
    assert kept == {"site": "north", "by": "Ben", "reviewed": "yes"}
    client.datasets.update(made, {"description": "Gauges"}, metadata={"by": None})
    told = client._requester.get(address)
    assert (told["description"], told["metadata"]["attributes"]) == ("Gauges", {"site": "north", "reviewed": "yes"})
    with pytest.raises(ViValidationError, match="preference"):
        client.datasets.update(made, {"preference": {"color": "red"}})
    with pytest.raises(ViValidationError, match="bytes as JSON"):
        client.datasets.update(made, metadata={f"k{number}": "x" * 500 for number in range(90)})
    assert client._requester.get(address)["metadata"]["attributes"] == {"site": "north", "reviewed": "yes"}
