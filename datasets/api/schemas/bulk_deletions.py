"""Bulk deletions on the wire."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from datasets.api.addresses import dataset_id, dataset_link
from datasets.models import BulkAssetDeletion, Dataset
from vi_portal.api.etags import etag_of
from vi_portal.api.schemas import Conditions, ResourceMetadata, WireSchema, finished, resource_metadata


class BulkDeletionSpec(WireSchema):
    """Which assets to delete: by `filter`, an object or its JSON, and by `metadataQuery`, as in the list of assets.

    The filter `{}` means all assets; to say nothing is refused, and so is a `ruleQuery`.
    """

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
