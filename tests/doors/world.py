"""One of everything that an organization can have, for tests that try every door; and what is there, to compare."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import transaction

from datasets.models import Annotation, Asset, BulkAssetDeletion, Dataset, ImportFile, ImportSession
from datasets.uploads import ingestion
from exports.models import ExportJob
from tests import cast
from tests.doors.operations import FILES
from tests.exports.jobs import make_finished
from vi_portal.accounts.models import Organization, User

#: By parameter, ids in the right form of things that never were.
NEVER = {
    "workspaces/{organization_id}": "5f2b0000-0000-4000-8000-000000000000",
    "datasets/{dataset_id}": "5f2b0000-0000-4000-8000-000000000001",
    "assets/{asset_id}": "5f2b0000-0000-4000-8000-000000000002",
    "assetFiles/{filename}": "never.jpg",
    "annotations/{annotation_id}": "n999999",
    "deleteManyAssetsSessions/{session_id}": "5f2b0000-0000-4000-8000-000000000003",
    "assetIngestionSessions/{session_id}": "5f2b0000-0000-4000-8000-000000000004",
    "annotationImportSessions/{session_id}": "5f2b0000-0000-4000-8000-000000000005",
    "datasetExports/{export_id}": "5f2b0000-0000-4000-8000-000000000006",
    "images/{slot_id}": "999999",
    "annotations/{file_id}": "999999",
}


@dataclass(frozen=True)
class Place:
    """An organization with one of everything."""

    organization: Organization
    user: User
    dataset: Dataset
    deleted: Dataset
    asset: Asset
    annotation: Annotation
    export: ExportJob
    ids: dict[str, str] = field(default_factory=dict)

    def ids_for(self, path: str) -> dict[str, str]:
        """The ids to call `path` with: a deletion is asked after where one was."""
        if path.endswith("/deleteOperation"):
            return self.ids | {"datasets/{dataset_id}": f"{self.organization.pk}_{self.deleted.pk}"}
        return self.ids


def furnish(organization: Organization, user: User) -> Place:
    """One of everything, each in a state in which it can be asked for and changed."""
    dataset = cast.make_dataset(organization)
    deleted = cast.make_dataset(organization, name="Deleted")
    Dataset.objects.filter(pk=deleted.pk).update(deleted_at=deleted.created_at)
    # A name of its own, by which alone nobody else's can be meant.
    asset = cast.make_asset(dataset, "line_07.jpg", image=cast.jpeg(), width=64, height=48)
    only_here = cast.make_asset(dataset, f"{organization.name} only.jpg")
    annotation = cast.make_annotation(asset)
    image, annotations = FILES["PUT images/{slot_id}"], FILES["PUT annotations/{file_id}"]
    announced = [ingestion.Announced("sent.jpg", len(image), "image/jpeg")]
    upload = ingestion.open_session(
        dataset, user=user, announced=announced, keep_linked=True, failure_mode="FailAfterOne"
    )
    session = ImportSession.objects.create(dataset=dataset, user=user, upload_before="2100-01-01T00:00Z")
    file = ImportFile.objects.create(session=session, name="a.jsonl", size=len(annotations))
    deletion = BulkAssetDeletion.objects.create(dataset=dataset, user=user, spec={"filter": "{}"})
    export = make_finished(dataset, user)
    ids = {
        "workspaces/{organization_id}": organization.pk,
        "datasets/{dataset_id}": f"{organization.pk}_{dataset.pk}",
        "assets/{asset_id}": asset.uid,
        "assetFiles/{filename}": only_here.filename,
        "annotations/{annotation_id}": f"n{annotation.pk}",
        "deleteManyAssetsSessions/{session_id}": deletion.pk,
        "assetIngestionSessions/{session_id}": upload.pk,
        "annotationImportSessions/{session_id}": session.pk,
        "datasetExports/{export_id}": export.pk,
        "images/{slot_id}": upload.slots.get().pk,
        "annotations/{file_id}": file.pk,
    }
    texts = {parameter: str(named) for parameter, named in ids.items()}
    return Place(organization, user, dataset, deleted, asset, annotation, export, texts)


def all_there_is() -> dict[str, Any]:
    """Every row of every table and the name of every file, but for when a key was last used."""
    found: dict[str, Any] = {}
    for model in apps.get_models():
        columns = [column.attname for column in model._meta.concrete_fields if column.name != "last_used_at"]
        found[model._meta.label] = list(model._base_manager.order_by("pk").values(*columns))
    for folder in (settings.MEDIA_ROOT, settings.ARCHIVE_DIR, settings.UPLOAD_DIR):
        found[str(folder)] = sorted(str(path) for path in Path(folder).rglob("*") if path.is_file())
    return found


def changed(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    """The tables and folders that differ."""
    return {name for name in before if before[name] != after[name]}


@contextmanager
def undone() -> Iterator[None]:
    """Whatever the block does to the rows is undone after it."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)
