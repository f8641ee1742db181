"""What programs keep with assets and datasets: within which bounds, how it is asked for, and where people see it."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from datasets.api.metadata import MAX_BYTES, MAX_KEYS
from datasets.models import Dataset
from datasets.views.sheet import pairs_of
from tests import cast
from tests.api.calling import client_of, message
from tests.datasets.api.calling import path, sent
from tests.datasets.api.sending import SESSIONS, opened, put
from vi_portal.accounts.models import User

ODD: dict[str, Any] = {
    "工場": "北 1",
    "a.b": "x",
    "it's": "50%",
    "items": "of a dictionary",
    "$": "money",
    "back\\slash": "x",
    "%s": "é",
    "<b>": "<i>bold</i>",
    "run": 7,
    "gain": -1.5,
    "night": True,
}


def announced(client: Client, dataset: Dataset, kept: Any) -> Any:
    """The answer to an upload session for one image with metadata."""
    asset = {"filename": "a.jpg", "mime": "image/jpeg", "size": 9, "customMetadata": kept}
    return sent(client, "POST", path(dataset, SESSIONS), {"spec": {"assets": [asset]}})


@pytest.mark.parametrize(
    ("kept", "named"),
    [
        ({"lens": {"type": "wide"}}, "nothing nested"),
        ({"lens": ["wide"]}, "nothing nested"),
        ({"lens": None}, "“lens” is null"),
        ({"": "x"}, "key"),
        ({"k" * 101: "x"}, "key"),
        ({"big": 10**30}, "number too large"),
        ({f"k{number}": 1 for number in range(MAX_KEYS + 1)}, "101 keys"),
        ({"text": "é" * (MAX_BYTES // 2)}, "bytes as JSON"),
    ],
)
def test_what_is_too_much_to_keep_is_refused_in_words(ana: User, valves: Dataset, kept: Any, named: str) -> None:
    client = client_of(ana)
    refused = announced(client, valves, kept)
    assert (refused.status_code, "a.jpg" in message(refused), named in message(refused)) == (400, True, True)
    for number in (float("inf"), "1e999"):
        body = b'{"spec": {"assets": [{"filename": "a.jpg", "size": 9, "customMetadata": {"n": %s}}]}}'
        answer = client.post(path(valves, SESSIONS), body % str(number).encode(), content_type="application/json")
        assert answer.status_code == 400
    assert announced(client, valves, {"text": "x" * 10_000}).status_code == 201


def test_metadata_stays_with_its_asset_until_other_is_sent(ana: User, valves: Dataset) -> None:
    client, picture = client_of(ana), cast.jpeg()
    changes: list[tuple[Any, bytes, dict[str, Any] | None]] = [
        (None, picture, None),
        ({"run": 1}, picture, {"run": 1}),
        (None, cast.jpeg(color="red"), {"run": 1}),
        ({"run": 2, "night": True}, cast.jpeg(color="blue"), {"run": 2, "night": True}),
        ({}, cast.jpeg(color="blue"), {}),
    ]
    for given, content, left in changes:
        asset = {"filename": "a.jpg", "mime": "image/jpeg", "size": len(content), "customMetadata": given}
        [slot] = opened(client, valves, assets=[asset])["status"]["assets"]
        assert put(slot, content).status_code == 200
        assert valves.assets.get().custom_metadata == left


def test_keys_may_be_any_text(ana: User, client: Client, valves: Dataset) -> None:
    asset = cast.make_asset(valves)
    other = cast.make_asset(valves, "other.jpg")
    valves.keep_metadata(asset, ODD)
    caller = client_of(ana)
    told = caller.get(path(valves, f"/assets/{asset.uid}")).json()["metadata"]
    assert (told["customMetadata"], told["customMetadataCount"]) == (ODD, len(ODD))
    for key, value in pairs_of(ODD):
        for strict in "yn":
            asked = {"metadataQuery": f'"{key}":"{value}"', "strictQuery": strict}
            found = caller.get(path(valves, "/assets"), asked).json()["items"]
            assert [each["assetId"] for each in found] == [asset.uid], asked
    client.force_login(ana)
    page = client.get(asset.get_absolute_url()).content.decode()
    assert "of a dictionary" in page
    assert "&lt;i&gt;bold&lt;/i&gt;" in page
    assert "Metadata" not in client.get(other.get_absolute_url()).content.decode()


def test_the_attributes_of_a_dataset_stand_on_its_overview(ana: User, client: Client, valves: Dataset) -> None:
    caller = client_of(ana)
    assert sent(caller, "PATCH", path(valves), {"metadata": {"attributes": {"site": "Harbor"}}}).status_code == 200
    client.force_login(ana)
    for _ in range(2):
        assert "Harbor" in client.get(valves.get_absolute_url()).content.decode()
        cast.make_asset(valves)
    nested = sent(caller, "PATCH", path(valves), {"metadata": {"attributes": {"site": {"name": "Harbor"}}}})
    assert (nested.status_code, "metadata.attributes.site" in message(nested)) == (400, True)


def test_parameters_that_a_list_does_not_know_are_refused(ana: User, valves: Dataset) -> None:
    asset, client = cast.make_asset(valves), client_of(ana)
    for below in ("/assets", "/assets:count", f"/assets/{asset.uid}/annotations"):
        refused = client.get(path(valves, below), {"label": "red valve"})
        assert (refused.status_code, "“label” is not known" in message(refused)) == (400, True), below


@pytest.mark.parametrize("query", ["a:b" + " a:b" * 20, "a:b c", " ", 'a:"b', ":b", "-3:x", "a:\x00"])
def test_a_query_that_is_not_understood_finds_nothing(ana: User, valves: Dataset, query: str) -> None:
    refused = client_of(ana).get(path(valves, "/assets:count"), {"metadataQuery": query})
    assert (refused.status_code, "metadata query" in message(refused)) == (400, True)


def test_a_query_too_long_to_be_asked_is_refused(ana: User, valves: Dataset) -> None:
    cast.make_asset(valves)
    spec = {"filter": {}, "metadataQuery": "camera:" + "é" * 40_000}
    refused = sent(client_of(ana), "POST", path(valves, "/deleteManyAssetsSessions"), {"spec": spec})
    assert (refused.status_code, "metadata query" in message(refused)) == (400, True)
    assert valves.assets.exists()
