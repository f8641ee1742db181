"""Changing datasets, assets and annotations by the API: what changes, what goes with it, and who may."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.db import connection
from django.test import Client
from django.utils import timezone

from datasets import removal
from datasets.api.annotation_edits import with_box
from datasets.contents import PhraseGrounding, Vqa
from datasets.models import Annotation, Asset, Dataset, ImageFacts
from exports.models import ExportJob
from exports.spec import ExportSpec
from tests import cast
from tests.api.test_kit import client_of, message
from vi_portal.accounts.models import Organization, User
from vi_portal.jobs.models import State


def path(dataset: Dataset, below: str = "") -> str:
    return f"/workspaces/{dataset.organization_id}/datasets/{dataset.organization_id}_{dataset.pk}{below}"


def sent(client: Client, method: str, address: str, body: Any = None) -> Any:
    return client.generic(method, address, b"" if body is None else cast.as_json(body), "application/json")


def annotation_path(annotation: Annotation, box: int | None = None) -> str:
    named = f"n{annotation.pk}" + ("" if box is None else f"-{box}")
    return path(annotation.asset.dataset, f"/assets/{annotation.asset.uid}/annotations/{named}")


# Datasets


def test_a_dataset_is_made_as_the_client_asks(ana: User, acme: Organization) -> None:
    body = {"name": " Gauges ", "type": "vqa", "description": "Dials", "content": "Image", "status": 0, "tags": {}}
    made = sent(client_of(ana), "POST", f"/workspaces/{acme.pk}/datasets", body)
    assert made.status_code == 201
    dataset = Dataset.objects.get(organization=acme)
    assert (dataset.name, dataset.type, dataset.description) == ("Gauges", "vqa", "Dials")
    assert made.json()["datasetId"] == f"{acme.pk}_{dataset.pk}"


@pytest.mark.parametrize(
    ("body", "status", "word"),
    [
        ({"name": "Valves", "type": "vqa"}, 409, "already"),
        ({"name": "", "type": "vqa"}, 400, "1 to 200"),
        ({"name": "x" * 201, "type": "vqa"}, 400, "1 to 200"),
        ({"name": "a\x00b", "type": "vqa"}, 400, "characters"),
        ({"name": "B", "type": "keypoints"}, 400, "phrase-grounding"),
        ({"name": "B", "type": "vqa", "content": "Video"}, 400, "images"),
        ({"type": "vqa"}, 400, "name"),
        ({"name": 5, "type": "vqa"}, 400, "name: Input"),
    ],
)
def test_a_dataset_that_cannot_be_is_refused(
    ana: User, valves: Dataset, body: dict[str, str], status: int, word: str
) -> None:
    response = sent(client_of(ana), "POST", f"/workspaces/{valves.organization_id}/datasets", body)
    assert response.status_code == status
    assert word in message(response)
    assert "given" not in message(response)
    assert Dataset.objects.count() == 1


@pytest.mark.parametrize("given", ["PHRASE_GROUNDING", "PhraseGrounding", "phrase_grounding"])
def test_a_type_of_dataset_is_taken_in_any_spelling(ana: User, acme: Organization, given: str) -> None:
    made = sent(client_of(ana), "POST", f"/workspaces/{acme.pk}/datasets", {"name": "Gauges", "type": given})
    assert made.json()["type"] == "phrase-grounding"
    again = sent(client_of(ana), "PATCH", path(Dataset.objects.get()), {"type": given, "name": "Dials"})
    assert (again.json()["type"], again.json()["name"]) == ("phrase-grounding", "Dials")


def test_a_dataset_is_renamed_and_described(ana: User, valves: Dataset) -> None:
    response = sent(client_of(ana), "PATCH", path(valves), {"name": "Pipes", "metadata": {"attributes": {"a": "b"}}})
    assert response.json()["name"] == "Pipes"
    sent(client_of(ana), "PATCH", path(valves), {"description": "All of them"})
    valves.refresh_from_db()
    assert (valves.name, valves.description) == ("Pipes", "All of them")


def test_a_change_to_a_version_that_is_gone_is_refused(ana: User, valves: Dataset) -> None:
    client = client_of(ana)
    etag = client.get(path(valves)).json()["etag"]
    cast.make_asset(valves)
    response = client.generic(
        "PATCH", path(valves), cast.as_json({"name": "P"}), "application/json", headers={"If-Match": etag}
    )
    assert response.status_code == 412


def test_a_deleted_dataset_is_gone_at_once_and_its_name_is_free(ana: User, as_ana: Client, valves: Dataset) -> None:
    client = client_of(ana)
    told = sent(client, "DELETE", path(valves))
    assert told.status_code == 200
    assert told.json()["status"]["conditions"][0]["status"] == "Reached"
    assert client.get(path(valves)).status_code == 404
    assert client.get(f"/workspaces/{valves.organization_id}/datasets").json()["items"] == []
    assert client.get(path(valves, "/deleteOperation")).json()["datasetId"] == told.json()["datasetId"]
    assert as_ana.get(f"/datasets/{valves.pk}/").status_code == 404
    assert "Valves" not in as_ana.get("/").content.decode()
    assert sent(client, "DELETE", path(valves)).status_code == 404
    cast.make_dataset(valves.organization, name="Valves")


def test_the_sweep_removes_what_a_deleted_dataset_had(ana: User, valves: Dataset) -> None:
    asset = cast.make_asset(valves, image=cast.jpeg())
    cast.make_annotation(asset)
    removal.remove_dataset(valves, by="Ana")
    removal.purge_deleted()
    assert not default_storage.exists(asset.file)
    assert not Dataset.everything.exists()
    assert not Annotation.objects.exists()


def test_an_archive_outlives_its_dataset_until_it_expires(ana: User, valves: Dataset) -> None:
    cast.make_annotated(valves, 2)
    done = ExportJob.of(ExportSpec().resolved(), dataset=valves, user=ana)
    ExportJob.objects.filter(pk=done.pk).update(
        state=State.FINISHED, percent=100, archive="a.zip", expires_at=timezone.now() + timedelta(days=1)
    )
    running = ExportJob.of(ExportSpec().resolved(), dataset=valves, user=ana)
    removal.remove_dataset(valves, by="Ana")
    running.refresh_from_db()
    assert running.failure == "Cancelled by Ana."
    removal.purge_deleted()
    assert ExportJob.objects.filter(pk=done.pk).exists()
    assert not Asset.objects.exists()
    ExportJob.objects.filter(pk=done.pk).update(archive="")
    removal.purge_deleted()
    assert not Dataset.everything.exists()
    assert not ExportJob.objects.exists()


# Assets


def test_datasets_that_archives_keep_do_not_keep_those_deleted_after_them(ana: User, acme: Organization) -> None:
    for number in range(25):
        kept = cast.make_dataset(acme, name=f"Kept {number}")
        job = ExportJob.of(ExportSpec(format="ViJsonl"), dataset=kept, user=ana)
        ExportJob.objects.filter(pk=job.pk).update(state=State.FINISHED, archive=f"{number}.zip")
        removal.remove_dataset(kept, by="Ana")
    asset = cast.make_asset(cast.make_dataset(acme, name="Last"), image=cast.jpeg())
    removal.remove_dataset(asset.dataset, by="Ana")
    removal.purge_deleted()
    assert not default_storage.exists(asset.file)
    assert Dataset.everything.count() == 25


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


# Annotations


def test_a_caption_changes_and_its_phrases_are_found_again(ana: User, valves: Dataset) -> None:
    annotation = cast.make_annotation(cast.make_asset(valves))
    body = {"spec": {"contents": {"kind": "Caption", "contents": "Two gauges and a red valve"}}}
    told = sent(client_of(ana), "PUT", annotation_path(annotation), body)
    assert told.status_code == 200
    assert told.json()["spec"]["contents"]["contents"] == "Two gauges and a red valve"
    annotation.refresh_from_db()
    contents = annotation.parsed
    assert isinstance(contents, PhraseGrounding)
    [phrase] = contents.grounded_phrases
    assert (phrase.start_token_index, phrase.end_token_index, phrase.bounds) == (4, 5, [(100, 200, 300, 400)])


def test_a_box_moves_and_points_elsewhere(ana: User, valves: Dataset) -> None:
    two = cast.grounding("A red valve left of two gauges", "red valve", (0, 0, 100, 80), (500, 400, 600, 480))
    annotation = cast.make_annotation(cast.make_asset(valves), two)
    corners = [[0.1, 0.5], [0.2, 0.5], [0.2, 0.6], [0.1, 0.6]]
    told = sent(client_of(ana), "PATCH", annotation_path(annotation, 1), {"spec": {"contents": {"bound": corners}}})
    assert told.json()["spec"]["contents"]["bound"] == corners
    told = sent(client_of(ana), "PATCH", annotation_path(annotation, 2), {"spec": {"contents": {"target": [5, 6]}}})
    assert told.json()["annotationId"].endswith("-2")
    annotation.refresh_from_db()
    contents = annotation.parsed
    assert isinstance(contents, PhraseGrounding)
    assert [(each.phrase, each.bounds) for each in contents.grounded_phrases] == [
        ("red valve", [(100, 400, 200, 480)]),
        ("two gauges", [(500, 400, 600, 480)]),
    ]


def test_one_box_is_deleted_or_the_whole(ana: User, valves: Dataset) -> None:
    two = cast.grounding("A red valve left of two gauges", "red valve", (0, 0, 100, 80), (500, 400, 600, 480))
    annotation = cast.make_annotation(cast.make_asset(valves), two)
    gone = sent(client_of(ana), "DELETE", annotation_path(annotation, 1))
    assert (gone.status_code, gone.content) == (204, b"")
    annotation.refresh_from_db()
    contents = annotation.parsed
    assert isinstance(contents, PhraseGrounding)
    assert contents.grounded_phrases[0].bounds == [(500, 400, 600, 480)]
    assert sent(client_of(ana), "DELETE", annotation_path(annotation, 2)).status_code == 404
    assert sent(client_of(ana), "DELETE", annotation_path(annotation)).status_code == 204
    assert not Annotation.objects.exists()
    assert Asset.objects.exists()


def test_questions_are_changed_as_they_are_shown(ana: User, acme: Organization) -> None:
    annotation = cast.make_annotation(cast.make_asset(cast.make_dataset(acme, type="vqa")))
    told = sent(
        client_of(ana), "PUT", annotation_path(annotation), {"spec": {"caption": "Q: Open?\nA: Yes\nQ: Red?\nA: No"}}
    )
    assert told.status_code == 200
    annotation.refresh_from_db()
    assert annotation.parsed == cast.qa(("Open?", "Yes"), ("Red?", "No"))
    assert isinstance(annotation.parsed, Vqa)
    for unclear in ("Yes", "", "Q: Open?", "A: Yes\nQ: Open?", "Q: Open?\nA: Yes\nQ: Red?"):
        refused = sent(client_of(ana), "PUT", annotation_path(annotation), {"spec": {"caption": unclear}})
        assert refused.status_code == 400
    annotation.refresh_from_db()
    assert annotation.parsed == cast.qa(("Open?", "Yes"), ("Red?", "No"))


def test_a_long_text_without_answers_is_refused_at_once(ana: User, acme: Organization) -> None:
    annotation = cast.make_annotation(cast.make_asset(cast.make_dataset(acme, type="vqa")))
    body = {"spec": {"caption": "Q: " * 700_000}}
    assert sent(client_of(ana), "PUT", annotation_path(annotation), body).status_code == 400


@pytest.mark.django_db(transaction=True, databases=["default", "snapshot"])
def test_two_who_change_an_annotation_at_once_both_get_their_way(ana: User, valves: Dataset) -> None:
    two = cast.grounding("A red valve", "red valve", (100, 80, 200, 160), (300, 80, 400, 160))
    annotation = cast.make_annotation(cast.make_asset(valves), two)
    client, came = client_of(ana), threading.Event()
    client.get(path(valves))  # the use of the key is noted

    def seen(execute: Any, sql: str, *rest: Any) -> Any:
        if sql.startswith("BEGIN") or sql.endswith("FOR UPDATE"):  # where SQLite waits, and PostgreSQL
            came.set()
        return execute(sql, *rest)

    def change() -> Any:
        try:
            with connection.execute_wrapper(seen):
                body = {"spec": {"contents": {"bound": [[0.5, 0.5], [0.6, 0.6]]}}}
                return sent(client, "PATCH", annotation_path(annotation, 2), body)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with valves.in_turn():
            valves.rewrite_annotation(annotation, with_box(two, 1, box=(0, 0, 50, 40)))
            changed = pool.submit(change)
            assert came.wait(20)
        assert changed.result().status_code == 200
    annotation.refresh_from_db()
    assert isinstance(annotation.parsed, PhraseGrounding)
    assert annotation.parsed.grounded_phrases[0].bounds == [(0, 0, 50, 40), (500, 400, 600, 480)]


@pytest.mark.parametrize(
    ("box", "body"),
    [
        (None, {}),
        (None, {"spec": {"contents": {"kind": "PhraseGroundingBoundingBox", "contents": "x"}}}),
        (1, {"spec": {"contents": {"bound": [[0, 0], [1, 1]]}}}),
        (1, {"spec": {"contents": {"bound": [[0, 0], [1, "x"]], "target": [0, 1]}}}),
        (1, {"spec": {"contents": {"bound": [[0, 0], [1, 1]], "target": [0, 99]}}}),
        (1, {"spec": {"contents": {"bound": [], "target": [0, 1]}}}),
        (1, {"spec": {"contents": {"bound": [[100, 200], [300, 400]], "target": [0, 1]}}}),
        (1, {"spec": {"contents": {"bound": [[0.5, 0.5], [0.5, 0.9]], "target": [0, 1]}}}),
        (1, {"spec": 3}),
    ],
)
def test_a_change_that_makes_no_sense_changes_nothing(
    ana: User, valves: Dataset, box: int | None, body: dict[str, Any]
) -> None:
    annotation = cast.make_annotation(cast.make_asset(valves))
    response = sent(client_of(ana), "PUT", annotation_path(annotation, box), body)
    assert response.status_code == 400
    assert message(response)
    assert Annotation.objects.get().contents == annotation.contents


# Who may


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
