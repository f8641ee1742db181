"""The API's datasets, assets and annotations, to read."""

from __future__ import annotations

from typing import Literal

from django.db.models import Count
from django.http import HttpResponse

from datasets import statistics
from datasets.addresses import annotation_at, asset_at, dataset_at
from datasets.annotation_schemas import AnnotationOut, AnnotationPage, annotation_parts
from datasets.image_links import image_link
from datasets.models import Annotation, Asset, Dataset
from datasets.schemas import AssetCount, AssetOut, AssetPage, DatasetOut, DatasetPage, asset_out, dataset_out
from vi_portal.api.auth import ApiRequest
from vi_portal.api.errors import not_found
from vi_portal.api.pages import DEFAULT_SIZE, MAX_SIZE, PageSize, decode_token, encode_token, page_of
from vi_portal.api.routing import answers, router

W = "/workspaces/{organization_id}"
DS = W + "/datasets/{dataset_id}"
ASSET = DS + "/assets/{asset_id}"
AN = ASSET + "/annotations"

SortBy = Literal["default", "assetId", "filename", "lastModified.contents", "metadata.fileSize"]
_COLUMNS = {
    "assetId": ("uid",),
    "filename": ("filename", "pk"),
    "lastModified.contents": ("updated_at", "pk"),
    "metadata.fileSize": ("size", "pk"),
}


@router.get(W + "/datasets", response=answers(_200=DatasetPage), tags=["Datasets"])
def list_datasets(request: ApiRequest, organization_id: str, s: PageSize = DEFAULT_SIZE, p: str = "") -> DatasetPage:
    """The datasets of the organization, oldest first."""
    mine = Dataset.objects.filter(organization=request.auth.membership.organization)
    datasets, next_page = page_of(mine, order=("created_at", "pk"), size=min(s, MAX_SIZE), token=p)
    counts = statistics.counts_of(datasets)
    return DatasetPage(items=[dataset_out(each, counts[each.pk]) for each in datasets], next_page=next_page)


@router.get(DS, response=answers(_200=DatasetOut), tags=["Datasets"])
def get_dataset(request: ApiRequest, organization_id: str, dataset_id: str) -> DatasetOut:
    """One dataset."""
    dataset = dataset_at(request, dataset_id)
    return dataset_out(dataset, statistics.counts_of([dataset])[dataset.pk])


@router.get(DS + "/assets:count", response=answers(_200=AssetCount), tags=["Assets"])
def count_assets(request: ApiRequest, organization_id: str, dataset_id: str) -> AssetCount:
    """How many assets there are. Filters are accepted and not applied."""
    return AssetCount(count=dataset_at(request, dataset_id).assets.count())


@router.get(DS + "/assets", response=answers(_200=AssetPage), tags=["Assets"])
def list_assets(
    request: ApiRequest,
    organization_id: str,
    dataset_id: str,
    s: PageSize = DEFAULT_SIZE,
    p: str = "",
    contents: str = "",
    sortBy: SortBy = "default",  # noqa: N803 - the client's own name
    o: Literal["asc", "desc"] = "asc",
) -> HttpResponse:
    """The assets, in the order they were added unless `sortBy` says otherwise.

    Filters are accepted and not applied. From `s=1000` on, everything comes in one page: the client cannot fetch
    a second one. With `contents=y`, each asset has an address where its image can be fetched without a key.
    """
    dataset = dataset_at(request, dataset_id)
    order, descending = _COLUMNS.get(sortBy, ("pk",)), o == "desc"
    size = dataset.assets.count() + MAX_SIZE if s >= MAX_SIZE and not p else min(s, MAX_SIZE)
    assets, next_page = page_of(dataset.assets.all(), order=order, size=size, token=p, descending=descending)
    counts = _annotation_counts(dataset, assets)
    page = AssetPage(
        items=[
            asset_out(
                each,
                dataset=dataset,
                annotations=counts.get(each.pk, 0),
                link=image_link(request, each) if contents == "y" else None,
            )
            for each in assets
        ],
        next_page=next_page,
    )
    # Rendered here, not by the framework: a page may hold all the assets there are.
    return HttpResponse(page.model_dump_json(by_alias=True, exclude_none=True), content_type="application/json")


@router.get(ASSET, response=answers(_200=AssetOut), exclude_none=True, tags=["Assets"])
def get_asset(
    request: ApiRequest, organization_id: str, dataset_id: str, asset_id: str, contents: str = ""
) -> AssetOut:
    """One asset; with `contents=y`, with an address where its image can be fetched without a key."""
    dataset = dataset_at(request, dataset_id)
    asset = asset_at(dataset, asset_id)
    link = image_link(request, asset) if contents == "y" else None
    return asset_out(asset, dataset=dataset, annotations=asset.annotations.count(), link=link)


@router.get(AN, response=answers(_200=AnnotationPage), tags=["Annotations"])
def list_annotations(
    request: ApiRequest,
    organization_id: str,
    dataset_id: str,
    asset_id: str,
    s: PageSize = DEFAULT_SIZE,
    p: str = "",
) -> AnnotationPage:
    """What was said about the asset: a caption each, then a box each."""
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


def _annotation_counts(dataset: Dataset, assets: list[Asset]) -> dict[int, int]:
    """How many annotations each of `assets` has; one query."""
    if not assets:
        return {}
    lowest, highest = min(each.pk for each in assets), max(each.pk for each in assets)
    counted = Annotation.objects.filter(asset__dataset=dataset, asset__gte=lowest, asset__lte=highest)
    return dict(counted.values_list("asset").annotate(Count("pk")))
