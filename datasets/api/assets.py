"""The API's assets. Every change needs a full key of an editor or owner."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Literal

from django.db.models import Count, QuerySet
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from ninja import Query, Status

from datasets import removal
from datasets.api.addresses import ASSET, DS, asset_at, dataset_at
from datasets.api.asset_query import assets_asked_for
from datasets.api.images import image_links
from datasets.api.metadata_query import Misunderstood
from datasets.api.schemas.assets import AssetCount, AssetOut, AssetPage, NewName, asset_out
from datasets.api.texts import checked_name
from datasets.imports.batches import batches
from datasets.models import Annotation, Asset, Dataset
from vi_portal.api.auth import ApiRequest, require_edit
from vi_portal.api.errors import ApiError, not_found
from vi_portal.api.pages import DEFAULT_SIZE, MAX_SIZE, PageSize, page_of
from vi_portal.api.parameters import check_parameters
from vi_portal.api.routing import answers, router
from vi_portal.api.schemas import WireSchema

MAX_FILENAME = 1024
_PIECE = 500

Flag = Literal["y", "n"]
SortBy = Literal["default", "assetId", "filename", "lastModified.contents", "metadata.fileSize"]
_COLUMNS = {
    "assetId": ("uid",),
    "filename": ("filename", "pk"),
    "lastModified.contents": ("updated_at", "pk"),
    "metadata.fileSize": ("size", "pk"),
}


class AssetQuery(WireSchema):
    """Which assets are meant: by `filter`, a JSON object, and by `metadataQuery`, as the list of assets tells of them.

    Without either, all are meant. A `ruleQuery` is refused.
    """

    filter: str = ""
    metadata_query: str = ""
    rule_query: str = ""
    strict_query: Flag = "n"

    def apply(self, dataset: Dataset) -> QuerySet[Asset]:
        """Those of `dataset`. Raises `ApiError` 400 for what is not understood."""
        try:
            return assets_asked_for(
                dataset,
                given=self.filter,
                metadata_query=self.metadata_query,
                rule_query=self.rule_query,
                strict=self.strict_query == "y",
            )
        except Misunderstood as error:
            raise ApiError(400, str(error)) from error


class AssetListQuery(AssetQuery):
    """The same, and which page of them is wanted, in which order."""

    s: PageSize = DEFAULT_SIZE
    p: str = ""
    contents: str = ""
    sort_by: SortBy = "default"
    o: Literal["asc", "desc"] = "asc"
    page_after: Flag = "y"


@router.get(DS + "/assets:count", response=answers(_200=AssetCount), tags=["Assets"])
def count_assets(request: ApiRequest, organization_id: str, dataset_id: str, query: Query[AssetQuery]) -> AssetCount:
    """How many assets pass the filter and the metadata query, which are those of the list."""
    check_parameters(request, *AssetQuery.names())
    return AssetCount(count=query.apply(dataset_at(request, dataset_id)).count())


@router.get(DS + "/assets", response=answers(_200=AssetPage), tags=["Assets"])
def list_assets(
    request: ApiRequest, organization_id: str, dataset_id: str, query: Query[AssetListQuery]
) -> HttpResponseBase:
    """The assets, in the order they were added unless `sortBy` says otherwise.

    `filter` is a JSON object of `filename`, `assetId`, `mimeType` (a text, a list, `{"$eq": …}` or `{"$in": […]}`),
    `search` (a part of the file name), `annotated` (yes or no) and `label`. `metadataQuery` is `key:value` of the
    custom metadata, or several; with `strictQuery=y` a value is meant exactly, else it is a part in any case.
    Queries by rules are refused, and so is whatever is not understood.

    From `s=1000` on, everything comes in one page: the client cannot fetch a second one. With `contents=y`, each
    asset has addresses where its image and its thumbnail can be fetched without a key. Pages always go on after the
    last asset of the one before, whatever `pageAfter` says.
    """
    check_parameters(request, *AssetListQuery.names())
    dataset = dataset_at(request, dataset_id)
    passing = query.apply(dataset)
    order, descending = _COLUMNS.get(query.sort_by, ("pk",)), query.o == "desc"
    told = partial(_told, request, dataset, with_links=query.contents == "y")
    if query.s >= MAX_SIZE and not query.p:
        everything = passing.order_by(*(f"-{column}" if descending else column for column in order))
        return StreamingHttpResponse(_one_page(everything, told), content_type="application/json")
    size = min(query.s, MAX_SIZE)
    assets, next_page = page_of(passing, order=order, size=size, token=query.p, descending=descending)
    page = AssetPage(items=told(assets), next_page=next_page)
    return HttpResponse(page.model_dump_json(by_alias=True, exclude_none=True), content_type="application/json")


@router.get(ASSET, response=answers(_200=AssetOut), exclude_none=True, tags=["Assets"])
def get_asset(
    request: ApiRequest, organization_id: str, dataset_id: str, asset_id: str, contents: str = ""
) -> AssetOut:
    """One asset; with `contents=y`, with addresses where its image and its thumbnail can be fetched without a key."""
    dataset = dataset_at(request, dataset_id)
    asset = asset_at(dataset, asset_id)
    links = image_links(request, asset) if contents == "y" else None
    return asset_out(asset, dataset=dataset, annotations=asset.annotations.count(), contents=links)


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


@router.post(
    DS + "/assetFiles/{path:filename}/name", response=answers(_200=AssetOut, refusals=(403, 409)), tags=["Assets"]
)
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


def _renamed(dataset: Dataset, asset: Asset, given: NewName) -> AssetOut:
    name = checked_name(given.filename, limit=MAX_FILENAME, what="A file name")
    try:
        dataset.rename_asset(asset, name)
    except (Asset.DoesNotExist, Dataset.DoesNotExist) as error:
        raise not_found("asset", asset.uid) from error
    return asset_out(asset, dataset=dataset, annotations=asset.annotations.count(), contents=None)


def _told(request: ApiRequest, dataset: Dataset, assets: list[Asset], *, with_links: bool) -> list[AssetOut]:
    """The wire's view of `assets`, all of `dataset`; one query."""
    counts = dict(Annotation.objects.filter(asset__in=assets).values_list("asset").annotate(Count("pk")))
    return [
        asset_out(
            each,
            dataset=dataset,
            annotations=counts.get(each.pk, 0),
            contents=image_links(request, each) if with_links else None,
        )
        for each in assets
    ]


def _one_page(assets: QuerySet[Asset], told: Callable[[list[Asset]], list[AssetOut]]) -> Iterator[str]:
    """An `AssetPage` of all of `assets`, in pieces: there may be more of them than memory holds."""
    yield '{"items":['
    between = ""
    for piece in batches(assets.iterator(_PIECE), _PIECE):
        yield between + ",".join(each.model_dump_json(by_alias=True, exclude_none=True) for each in told(piece))
        between = ","
    yield "]}"
