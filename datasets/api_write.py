"""The API's datasets, assets and annotations, to change. Every change needs a full key of an editor or owner."""

from __future__ import annotations

import uuid
from contextlib import suppress
from typing import Any

from django.db import IntegrityError, transaction
from ninja import Body, Status

from datasets import annotation_edits, geometry, removal, statistics
from datasets.addresses import annotation_at, asset_at, dataset_at
from datasets.annotation_edits import EditRefused
from datasets.annotation_schemas import BOX, CAPTION, AnnotationOut, annotation_etag, annotation_parts
from datasets.api import AN, ASSET, DS, W
from datasets.bulk_deletion import Misunderstood, assets_meant
from datasets.contents import Contents, ContentsError
from datasets.geometry import Box
from datasets.models import Annotation, Asset, Dataset, DatasetType
from datasets.schemas import AssetOut, DatasetOut, asset_out, dataset_etag, dataset_out
from datasets.uploads.models import BulkAssetDeletion
from datasets.write_schemas import (
    BulkDeletionIn,
    BulkDeletionOut,
    BulkDeletionPage,
    DatasetChange,
    DatasetIn,
    DeletedDatasetOut,
    NewName,
    bulk_deletion_out,
    deleted_dataset_out,
)
from vi_portal.api.auth import ApiRequest, require_edit
from vi_portal.api.errors import ApiError, not_found
from vi_portal.api.etags import check_match
from vi_portal.api.pages import DEFAULT_SIZE, MAX_SIZE, PageSize, page_of
from vi_portal.api.routing import answers, router

BULK = DS + "/deleteManyAssetsSessions"
MAX_NAME = 200
MAX_FILENAME = 1024


# Datasets


@router.post(W + "/datasets", response=answers(_201=DatasetOut, refusals=(403, 409)), tags=["Datasets"])
def create_dataset(request: ApiRequest, organization_id: str, given: DatasetIn) -> Status[DatasetOut]:
    """A new, empty dataset. Its type says what all its annotations will be."""
    require_edit(request)
    if given.type not in DatasetType.values:
        raise ApiError(400, f"“{given.type[:50]}” is no type of dataset. Use one of: {', '.join(DatasetType.values)}.")
    if given.content != "Image":
        raise ApiError(400, f"Datasets hold images only, not “{given.content[:50]}”.")
    dataset = Dataset(
        organization=request.auth.membership.organization,
        name=_checked_name(given.name, limit=MAX_NAME, what="A dataset's name"),
        type=given.type,
        description=_checked_text(given.description or ""),
    )
    _save(dataset)
    return Status(201, dataset_out(dataset, statistics.counts_of([dataset])[dataset.pk]))


@router.patch(DS, response=answers(_200=DatasetOut, refusals=(403, 409, 412)), tags=["Datasets"])
def change_dataset(request: ApiRequest, organization_id: str, dataset_id: str, given: DatasetChange) -> DatasetOut:
    """Another name or description. The type stays; other fields are not kept."""
    require_edit(request)
    dataset = dataset_at(request, dataset_id)
    check_match(request, dataset_etag(dataset))
    if given.type not in (None, dataset.type):
        raise ApiError(400, "A dataset's type cannot be changed. Make another dataset.")
    if given.name is not None:
        dataset.name = _checked_name(given.name, limit=MAX_NAME, what="A dataset's name")
    if given.description is not None:
        dataset.description = _checked_text(given.description)
    _save(dataset)
    return dataset_out(dataset, statistics.counts_of([dataset])[dataset.pk])


@router.delete(DS, response=answers(_200=DeletedDatasetOut, refusals=(403,)), tags=["Datasets"])
def delete_dataset(request: ApiRequest, organization_id: str, dataset_id: str) -> DeletedDatasetOut:
    """Delete the dataset with its assets, annotations, and running jobs. Archives exported before stay until they
    expire."""
    require_edit(request)
    dataset = dataset_at(request, dataset_id)
    user = request.auth.membership.user
    if not removal.remove_dataset(dataset, by=user.display_name):
        raise not_found("dataset", dataset_id)
    dataset.refresh_from_db()
    return deleted_dataset_out(dataset, user=user.username)


@router.get(DS + "/deleteOperation", response=answers(_200=DeletedDatasetOut), tags=["Datasets"])
def get_deletion(request: ApiRequest, organization_id: str, dataset_id: str) -> DeletedDatasetOut:
    """The deletion of a dataset, as long as something of it is still here."""
    deleted = Dataset.everything.filter(organization=request.auth.membership.organization).exclude(deleted_at=None)
    with suppress(ValueError):
        dataset = deleted.filter(pk=uuid.UUID(dataset_id.rpartition("_")[2])).first()
        if dataset is not None:
            return deleted_dataset_out(dataset, user=request.auth.membership.user.username)
    raise not_found("deletion of the dataset", dataset_id)


# Assets


@router.delete(ASSET, response=answers(_204=None, refusals=(403,)), tags=["Assets"])
def delete_asset(request: ApiRequest, organization_id: str, dataset_id: str, asset_id: str) -> Status[None]:
    """Delete the asset with its image and annotations."""
    require_edit(request)
    dataset = dataset_at(request, dataset_id)
    asset = asset_at(dataset, asset_id)
    removal.remove_assets(dataset, dataset.assets.filter(pk=asset.pk))
    return Status(204, None)


@router.post(ASSET + "/name", response=answers(_200=AssetOut, refusals=(403,)), tags=["Assets"])
def rename_asset(request: ApiRequest, organization_id: str, dataset_id: str, asset_id: str, given: NewName) -> AssetOut:
    """Another file name, in exports as well."""
    require_edit(request)
    dataset = dataset_at(request, dataset_id)
    return _renamed(dataset, asset_at(dataset, asset_id), given)


@router.post(DS + "/assetFiles/{filename}/name", response=answers(_200=AssetOut, refusals=(403, 409)), tags=["Assets"])
def rename_asset_file(
    request: ApiRequest, organization_id: str, dataset_id: str, filename: str, given: NewName
) -> AssetOut:
    """Another file name for the asset called `filename`, of which there must be one alone."""
    require_edit(request)
    dataset = dataset_at(request, dataset_id)
    called = list(dataset.assets.filter(filename=filename.replace("\x00", ""))[:2])
    if not called:
        raise not_found("asset", filename)
    if len(called) > 1:
        raise ApiError(409, f"Several assets are called “{filename[:200]}”. Name the one meant by its id.")
    return _renamed(dataset, called[0], given)


@router.post(BULK, response=answers(_201=BulkDeletionOut, refusals=(403,)), tags=["Assets"])
def delete_many_assets(
    request: ApiRequest, organization_id: str, dataset_id: str, given: BulkDeletionIn
) -> Status[BulkDeletionOut]:
    """Delete the assets a filter selects, with their images and annotations.

    A filter has `assetId`, `filename` (a text, a list, `{"$eq": …}` or `{"$in": …}`), `search`, `annotated` or `label`;
    `{}` selects all. A filter that is not understood deletes nothing.
    """
    require_edit(request)
    dataset = dataset_at(request, dataset_id)
    if given.spec.metadata_query or given.spec.rule_query:
        raise ApiError(400, "Queries by metadata or rules are not known here, so nothing was deleted. Use a filter.")
    try:
        meant = assets_meant(dataset, given.spec.filter)
    except Misunderstood as error:
        raise ApiError(400, str(error)) from error
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
    found, next_page = page_of(rows, order=("created_at", "pk"), size=min(s, MAX_SIZE), token=p)
    return BulkDeletionPage(items=[bulk_deletion_out(each, dataset) for each in found], next_page=next_page)


@router.get(BULK + "/{session_id}", response=answers(_200=BulkDeletionOut), tags=["Assets"])
def get_bulk_deletion(request: ApiRequest, organization_id: str, dataset_id: str, session_id: str) -> BulkDeletionOut:
    """One bulk deletion."""
    dataset = dataset_at(request, dataset_id)
    with suppress(ValueError):
        deletion = BulkAssetDeletion.objects.filter(dataset=dataset, pk=uuid.UUID(session_id)).first()
        if deletion is not None:
            return bulk_deletion_out(deletion, dataset)
    raise not_found("deletion", session_id)


# Annotations


@router.delete(AN + "/{annotation_id}", response=answers(_204=None, refusals=(403,)), tags=["Annotations"])
def delete_annotation(
    request: ApiRequest, organization_id: str, dataset_id: str, asset_id: str, annotation_id: str
) -> Status[None]:
    """Delete a caption with all its boxes, or one box alone. Boxes after it are counted anew."""
    require_edit(request)
    dataset = dataset_at(request, dataset_id)
    annotation, box = _annotation_part(dataset, asset_id, annotation_id)
    if box is None:
        removal.remove_annotation(annotation)
    else:
        _rewrite(dataset, annotation, annotation_edits.without_box(annotation.parsed, box))
    return Status(204, None)


_CHANGED = answers(_200=AnnotationOut, refusals=(403, 412))


@router.put(AN + "/{annotation_id}", response=_CHANGED, tags=["Annotations"])
def replace_annotation(
    request: ApiRequest,
    organization_id: str,
    dataset_id: str,
    asset_id: str,
    annotation_id: str,
    given: Body[dict[str, Any]],
) -> AnnotationOut:
    """Another text for a caption, or another place for a box: `spec.contents` as the annotation is shown, complete."""
    return _change(request, dataset_id, asset_id, annotation_id, given, complete=True)


@router.patch(AN + "/{annotation_id}", response=_CHANGED, tags=["Annotations"])
def change_annotation(
    request: ApiRequest,
    organization_id: str,
    dataset_id: str,
    asset_id: str,
    annotation_id: str,
    given: Body[dict[str, Any]],
) -> AnnotationOut:
    """Another text for a caption, or another place or other words for a box; what is left out stays."""
    return _change(request, dataset_id, asset_id, annotation_id, given, complete=False)


def _change(
    request: ApiRequest, dataset_id: str, asset_id: str, annotation_id: str, given: dict[str, Any], *, complete: bool
) -> AnnotationOut:
    require_edit(request)
    dataset = dataset_at(request, dataset_id)
    annotation, box = _annotation_part(dataset, asset_id, annotation_id)
    check_match(request, annotation_etag(annotation))
    try:
        new = _edited(annotation, box, _contents_in(given), complete=complete)
    except EditRefused as error:
        raise ApiError(400, str(error)) from error
    _rewrite(dataset, annotation, new)
    parts = list(annotation_parts(annotation, asset=annotation.asset, dataset=dataset))
    return parts[box or 0]


def _edited(annotation: Annotation, box: int | None, given: dict[str, Any], *, complete: bool) -> Contents:
    """Raises `EditRefused`."""
    kind = BOX if box else CAPTION
    if given.get("kind", kind) != kind:
        raise EditRefused(f"This annotation is a {kind}; it cannot become a {str(given['kind'])[:50]}.")
    if box is None:
        text = given.get("contents")
        if not isinstance(text, str) or "\x00" in text:
            raise EditRefused("Give the text as “contents” in “spec.contents”.")
        return annotation_edits.with_text(annotation.parsed, text)
    corners, target = given.get("bound"), given.get("target")
    if complete and (corners is None or target is None):
        raise EditRefused("Give “bound” and “target”, both; to change one of them alone, use PATCH.")
    return annotation_edits.with_box(
        annotation.parsed,
        box,
        box=None if corners is None else _in_pixels(corners, annotation.asset),
        target=None if target is None else _target(target),
    )


def _contents_in(given: dict[str, Any]) -> dict[str, Any]:
    """The contents in a body: at `spec.contents`, at `contents`, or the body itself; `caption` will do for a text."""
    spec = given.get("spec", given)
    found = spec.get("contents", spec) if isinstance(spec, dict) else spec
    if isinstance(found, str):
        found = {"contents": found}
    if not isinstance(found, dict):
        raise EditRefused("“spec.contents” must be an object.")
    if "contents" not in found and isinstance(found.get("caption"), str):
        found = {"contents": found["caption"]}
    return {key: value for key, value in found.items() if key != "kind" or value in (CAPTION, BOX)}


def _in_pixels(corners: Any, asset: Asset) -> Box:
    numbers = isinstance(corners, list) and all(
        isinstance(corner, list) and all(type(number) in (int, float) for number in corner) for corner in corners
    )
    if not numbers:
        raise EditRefused("“bound” must list the corners of the box as [x, y] each, in fractions of the image.")
    box = annotation_edits.box_of_corners(corners)
    if not all(-1e6 < number < 1e6 for number in box):
        raise EditRefused("“bound” must be in fractions of the image.")
    return geometry.to_pixels(box, width=asset.width, height=asset.height)


def _target(given: Any) -> tuple[int, int]:
    if not isinstance(given, list) or len(given) != 2 or not all(type(number) is int for number in given):
        raise EditRefused("“target” must be two whole numbers: the first and the last word.")
    return given[0], given[1]


def _annotation_part(dataset: Dataset, asset_id: str, annotation_id: str) -> tuple[Annotation, int | None]:
    annotation, box = annotation_at(asset_at(dataset, asset_id), annotation_id)
    if box is not None and not annotation_edits.has_box(annotation.parsed, box):
        raise not_found("annotation", annotation_id)
    return annotation, box


def _rewrite(dataset: Dataset, annotation: Annotation, new: Contents) -> None:
    try:
        dataset.rewrite_annotation(annotation, new)
    except ContentsError as error:
        raise ApiError(400, str(error)) from error


def _renamed(dataset: Dataset, asset: Asset, given: NewName) -> AssetOut:
    dataset.rename_asset(asset, _checked_name(given.filename, limit=MAX_FILENAME, what="A file name"))
    return asset_out(asset, dataset=dataset, annotations=asset.annotations.count(), link=None)


def _checked_name(given: str, *, limit: int, what: str) -> str:
    name = given.strip()
    if not 0 < len(name) <= limit or "\x00" in name:
        raise ApiError(400, f"{what} must have 1 to {limit:,} characters.")
    return _checked_text(name)


def _checked_text(given: str) -> str:
    """Text a database can hold: no NUL, no half of a surrogate pair."""
    if "\x00" in given or len(given.encode("utf-8", "ignore").decode()) != len(given):
        raise ApiError(400, "The text has a character that is not allowed.")
    return given


def _save(dataset: Dataset) -> None:
    try:
        with transaction.atomic():
            dataset.save()
    except IntegrityError as error:
        raise ApiError(409, f"There is already a dataset “{dataset.name}”. Choose another name.") from error
