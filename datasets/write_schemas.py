"""What the API is told to change in datasets, assets and annotations, and what it says of deletions."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from datasets.addresses import dataset_id, dataset_link
from datasets.models import Dataset
from datasets.uploads.models import BulkAssetDeletion
from vi_portal.api.etags import etag_of
from vi_portal.api.schemas import (
    Condition,
    Conditions,
    ResourceMetadata,
    WireSchema,
    milliseconds,
    resource_metadata,
)


class DatasetIn(WireSchema):
    """A dataset to make. What else a client sends is not kept."""

    name: str
    type: str = "phrase-grounding"
    description: str | None = None
    content: str = "Image"


class DatasetChange(WireSchema):
    """What is left out stays as it is."""

    name: str | None = None
    description: str | None = None
    type: str | None = None


class NewName(WireSchema):
    filename: str


class DeletedDatasetOut(WireSchema):
    kind: str = "DeletedDataset"
    user: str
    workspace_id: str
    dataset_id: str
    self_link: str
    etag: str
    metadata: ResourceMetadata
    status: Conditions


def deleted_dataset_out(dataset: Dataset, *, user: str) -> DeletedDatasetOut:
    """The wire's view of the deletion of `dataset`."""
    moment = dataset.deleted_at or dataset.updated_at
    return DeletedDatasetOut(
        user=user,
        workspace_id=str(dataset.organization_id),
        dataset_id=dataset_id(dataset),
        self_link=f"{dataset_link(dataset)}/deleteOperation",
        etag=etag_of(dataset.pk, moment.isoformat()),
        metadata=resource_metadata(created=moment, updated=moment),
        status=finished(moment),
    )


def finished(moment: datetime) -> Conditions:
    """The conditions of an operation that is over."""
    told = Condition(condition="Finished", status="Reached", last_transition_time=milliseconds(moment))
    return Conditions(conditions=[told])


class BulkDeletionSpec(WireSchema):
    """Which assets to delete; see `datasets.bulk_deletion`."""

    filter: str | dict[str, Any] | None = None
    metadata_query: str | None = None
    rule_query: str | None = None
    strict_query: bool | None = None


class BulkDeletionIn(WireSchema):
    spec: BulkDeletionSpec = Field(default_factory=BulkDeletionSpec)


class BulkDeletionOut(WireSchema):
    kind: str = "BulkAssetDeletionSession"
    workspace_id: str
    dataset_id: str
    delete_many_assets_session_id: str
    self_link: str
    etag: str
    metadata: ResourceMetadata
    spec: BulkDeletionSpec
    status: Conditions


class BulkDeletionPage(WireSchema):
    items: list[BulkDeletionOut]
    next_page: str | None = None


def bulk_deletion_out(deletion: BulkAssetDeletion, dataset: Dataset) -> BulkDeletionOut:
    """The wire's view of `deletion`, which was over when it was written."""
    moment = deletion.created_at
    return BulkDeletionOut(
        workspace_id=str(dataset.organization_id),
        dataset_id=dataset_id(dataset),
        delete_many_assets_session_id=str(deletion.pk),
        self_link=f"{dataset_link(dataset)}/deleteManyAssetsSessions/{deletion.pk}",
        etag=etag_of(deletion.pk),
        metadata=resource_metadata(created=moment, updated=moment, attributes={"deleted": str(deletion.deleted)}),
        spec=BulkDeletionSpec(**deletion.spec),
        status=finished(moment),
    )
