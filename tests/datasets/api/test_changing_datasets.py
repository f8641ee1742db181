"""Making, changing and deleting datasets by the API, and what goes with them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.files.storage import default_storage
from django.test import Client
from django.utils import timezone

from datasets import removal
from datasets.models import Annotation, Asset, Dataset
from exports.models import ExportJob
from exports.spec import ExportSpec
from tests import cast
from tests.api.calling import client_of, message
from tests.datasets.api.calling import path, sent
from vi_portal.accounts.models import Organization, User
from vi_portal.jobs.models import State


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


def test_who_asks_for_a_deletion_later_is_not_told_to_have_done_it(ana: User, ben: User, valves: Dataset) -> None:
    assert sent(client_of(ana), "DELETE", path(valves)).json()["user"] == "ana"
    for user in (ana, ben):
        told = client_of(user).get(path(valves, "/deleteOperation")).json()
        assert told["user"] == "", "who deleted a dataset is not kept"


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
