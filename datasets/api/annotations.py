"""The API's annotations. Every change needs a full key of an editor or owner."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ninja import Body, Status

from datasets import removal
from datasets.api import annotation_edits
from datasets.api.addresses import AN, annotation_at, asset_at, dataset_at
from datasets.api.annotation_bodies import edited
from datasets.api.annotation_edits import EditRefused
from datasets.api.schemas.annotations import AnnotationOut, AnnotationPage, annotation_etag, annotation_parts
from datasets.contents import Contents, ContentsError
from datasets.models import Annotation, Dataset
from vi_portal.api.auth import ApiRequest, require_edit
from vi_portal.api.errors import ApiError, not_found
from vi_portal.api.etags import check_match
from vi_portal.api.pages import DEFAULT_SIZE, MAX_SIZE, PageSize, decode_token, encode_token
from vi_portal.api.parameters import check_parameters
from vi_portal.api.routing import answers, router


@router.get(AN, response=answers(_200=AnnotationPage), tags=["Annotations"])
def list_annotations(
    request: ApiRequest,
    organization_id: str,
    dataset_id: str,
    asset_id: str,
    s: PageSize = DEFAULT_SIZE,
    p: str = "",
) -> AnnotationPage:
    """What was said about the asset: a caption each, then a box each. There is no filter."""
    check_parameters(request, "s", "p")
    dataset = dataset_at(request, dataset_id)
    asset = asset_at(dataset, asset_id)
    size = min(s, MAX_SIZE)
    first, seen = decode_token(p, 0, 0) if p else (0, 0)
    found: list[tuple[tuple[int, int], AnnotationOut]] = []
    for annotation in asset.annotations.filter(pk__gte=first).order_by("pk").iterator(chunk_size=100):
        for number, part in enumerate(annotation_parts(annotation, asset=asset, dataset=dataset), 1):
            if (annotation.pk, number) > (first, seen):
                found.append(((annotation.pk, number), part))
        if len(found) > size:
            break
    page = found[:size]
    return AnnotationPage(
        items=[part for _, part in page],
        next_page=encode_token(*page[-1][0]) if len(found) > len(page) else None,
    )


@router.get(AN + "/{annotation_id}", response=answers(_200=AnnotationOut), tags=["Annotations"])
def get_annotation(
    request: ApiRequest, organization_id: str, dataset_id: str, asset_id: str, annotation_id: str
) -> AnnotationOut:
    """One caption, or one box."""
    dataset = dataset_at(request, dataset_id)
    asset = asset_at(dataset, asset_id)
    annotation, box = annotation_at(asset, annotation_id)
    parts = list(annotation_parts(annotation, asset=asset, dataset=dataset))
    if box is not None and not 0 < box < len(parts):
        raise not_found("annotation", annotation_id)
    return parts[box or 0]


@router.delete(AN + "/{annotation_id}", response=answers(_204=None, refusals=(403,)), tags=["Annotations"])
def delete_annotation(
    request: ApiRequest, organization_id: str, dataset_id: str, asset_id: str, annotation_id: str
) -> Status[None]:
    """Delete a caption with all its boxes, or one box alone. Boxes after it are counted anew."""
    require_edit(request)
    dataset = dataset_at(request, dataset_id)
    with _in_turn(dataset):
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
    with _in_turn(dataset):
        annotation, box = _annotation_part(dataset, asset_id, annotation_id)
        check_match(request, annotation_etag(annotation))
        try:
            new = edited(annotation, box, given, complete=complete)
        except EditRefused as error:
            raise ApiError(400, str(error)) from error
        _rewrite(dataset, annotation, new)
    parts = list(annotation_parts(annotation, asset=annotation.asset, dataset=dataset))
    return parts[box or 0]


@contextmanager
def _in_turn(dataset: Dataset) -> Iterator[None]:
    """One change after the other, so that none undoes another. Raises `ApiError` 404 where the dataset is gone."""
    try:
        with dataset.in_turn():
            yield
    except Dataset.DoesNotExist as error:
        raise not_found("dataset", str(dataset.pk)) from error


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
