"""The API's bulk deletions: many assets deleted at once, and what was deleted that way before."""

from __future__ import annotations

from ninja import Status

from datasets import removal
from datasets.api.addresses import DS, dataset_at, row_at
from datasets.api.asset_query import assets_asked_for
from datasets.api.metadata_query import Misunderstood
from datasets.api.schemas.bulk_deletions import BulkDeletionIn, BulkDeletionOut, BulkDeletionPage, bulk_deletion_out
from datasets.models import BulkAssetDeletion
from vi_portal.api.auth import ApiRequest, require_edit
from vi_portal.api.errors import ApiError
from vi_portal.api.pages import DEFAULT_SIZE, MAX_SIZE, PageSize, page_of
from vi_portal.api.routing import answers, router

BULK = DS + "/deleteManyAssetsSessions"


@router.post(BULK, response=answers(_201=BulkDeletionOut, refusals=(403,)), tags=["Assets"])
def delete_many_assets(
    request: ApiRequest, organization_id: str, dataset_id: str, given: BulkDeletionIn
) -> Status[BulkDeletionOut]:
    """Delete the assets a filter selects, with their images and annotations.

    The filter and the metadata query are those of the list of assets; the filter `{}` selects all. What is not
    understood deletes nothing.
    """
    require_edit(request)
    dataset = dataset_at(request, dataset_id)
    spec = given.spec
    if spec.filter in (None, "") and not spec.metadata_query and not spec.rule_query:
        raise ApiError(400, "Say which assets to delete: give a filter, or {} for all assets of the dataset.")
    try:
        meant = assets_asked_for(
            dataset,
            given=spec.filter or {},
            metadata_query=spec.metadata_query or "",
            rule_query=spec.rule_query or "",
            strict=bool(spec.strict_query),
        )
    except Misunderstood as error:
        raise ApiError(400, f"{error} Nothing was deleted.") from error
    deletion = BulkAssetDeletion.objects.create(
        dataset=dataset,
        user=request.auth.membership.user,
        spec=given.spec.model_dump(),
        deleted=removal.remove_assets(dataset, meant),
    )
    deletion.refresh_from_db()
    return Status(201, bulk_deletion_out(deletion, dataset))


@router.get(BULK, response=answers(_200=BulkDeletionPage), tags=["Assets"])
def list_bulk_deletions(
    request: ApiRequest, organization_id: str, dataset_id: str, s: PageSize = DEFAULT_SIZE, p: str = ""
) -> BulkDeletionPage:
    """The bulk deletions there were, oldest first."""
    dataset = dataset_at(request, dataset_id)
    rows = BulkAssetDeletion.objects.filter(dataset=dataset)
    found, next_page = page_of(rows, order=("created_at", "pk"), size=min(s, MAX_SIZE), token=p, fixed=True)
    return BulkDeletionPage(items=[bulk_deletion_out(each, dataset) for each in found], next_page=next_page)


@router.get(BULK + "/{session_id}", response=answers(_200=BulkDeletionOut), tags=["Assets"])
def get_bulk_deletion(request: ApiRequest, organization_id: str, dataset_id: str, session_id: str) -> BulkDeletionOut:
    """One bulk deletion."""
    dataset = dataset_at(request, dataset_id)
    deletion = row_at(BulkAssetDeletion.objects.filter(dataset=dataset), session_id, what="deletion")
    return bulk_deletion_out(deletion, dataset)
