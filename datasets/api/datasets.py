"""The API's datasets. Every change needs a full key of an editor or owner."""

from __future__ import annotations

import uuid
from contextlib import suppress

from django.db import IntegrityError, transaction
from ninja import Status

from datasets import removal, statistics
from datasets.api.addresses import DS, W, dataset_at
from datasets.api.addresses import dataset_id as dataset_id_of
from datasets.api.metadata import merged
from datasets.api.schemas.datasets import (
    DatasetChange,
    DatasetIn,
    DatasetOut,
    DatasetPage,
    DeletedDatasetOut,
    SimpleDatasetOut,
    SimpleDatasetPage,
    StatisticsOut,
    dataset_etag,
    dataset_out,
    deleted_dataset_out,
    statistics_out,
)
from datasets.api.texts import checked_name, checked_text
from datasets.models import Dataset, DatasetType
from vi_portal.accounts.schemas import CollaboratorPage, collaborators_out
from vi_portal.api.auth import ApiRequest, require_edit
from vi_portal.api.errors import ApiError, not_found
from vi_portal.api.etags import check_match
from vi_portal.api.pages import DEFAULT_SIZE, MAX_SIZE, PageSize, page_of
from vi_portal.api.routing import answers, router

MAX_NAME = 200
_ATTRIBUTES = "The dataset's metadata.attributes"


@router.get(W + "/datasets", response=answers(_200=DatasetPage), tags=["Datasets"])
def list_datasets(request: ApiRequest, organization_id: str, s: PageSize = DEFAULT_SIZE, p: str = "") -> DatasetPage:
    """The datasets of the organization, oldest first."""
    mine = Dataset.objects.filter(organization=request.auth.membership.organization)
    datasets, next_page = page_of(mine, order=("created_at", "pk"), size=min(s, MAX_SIZE), token=p)
    counts = statistics.counts_of(datasets)
    return DatasetPage(items=[dataset_out(each, counts[each.pk]) for each in datasets], next_page=next_page)


@router.get(W + "/simpleDatasets", response=answers(_200=SimpleDatasetPage), tags=["Datasets"])
def list_simple_datasets(
    request: ApiRequest, organization_id: str, s: PageSize = DEFAULT_SIZE, p: str = ""
) -> SimpleDatasetPage:
    """The datasets of the organization by name and type alone, oldest first."""
    mine = Dataset.objects.filter(organization=request.auth.membership.organization)
    datasets, next_page = page_of(mine, order=("created_at", "pk"), size=min(s, MAX_SIZE), token=p)
    told = [SimpleDatasetOut(dataset_id=dataset_id_of(each), name=each.name, type=each.type) for each in datasets]
    return SimpleDatasetPage(items=told, next_page=next_page)


@router.get(DS, response=answers(_200=DatasetOut), tags=["Datasets"])
def get_dataset(request: ApiRequest, organization_id: str, dataset_id: str) -> DatasetOut:
    """One dataset."""
    dataset = dataset_at(request, dataset_id)
    return dataset_out(dataset, statistics.counts_of([dataset])[dataset.pk])


@router.get(DS + "/collaborators", response=answers(_200=CollaboratorPage), tags=["Datasets"])
def list_collaborators(request: ApiRequest, organization_id: str, dataset_id: str) -> CollaboratorPage:
    """Who sees the dataset: the members of its organization, all in one page."""
    return collaborators_out(dataset_at(request, dataset_id).organization)


@router.get(DS + "/aggregationStatistics", response=answers(_200=StatisticsOut), tags=["Datasets"])
def get_statistics(request: ApiRequest, organization_id: str, dataset_id: str) -> StatisticsOut:
    """What the dataset amounts to, at this moment."""
    dataset = dataset_at(request, dataset_id)
    return statistics_out(dataset, statistics.counts_of([dataset])[dataset.pk], statistics.labels_of(dataset))


@router.post(DS + "/aggregationStatistics:generate", response=answers(_204=None), tags=["Datasets"])
def refresh_statistics(request: ApiRequest, organization_id: str, dataset_id: str) -> Status[None]:
    """Nothing happens: the statistics are never older than the question. For clients that ask to have them made."""
    dataset_at(request, dataset_id)
    return Status(204, None)


@router.post(W + "/datasets", response=answers(_201=DatasetOut, refusals=(403, 409)), tags=["Datasets"])
def create_dataset(request: ApiRequest, organization_id: str, given: DatasetIn) -> Status[DatasetOut]:
    """A new, empty dataset. Its type says what all its annotations will be."""
    require_edit(request)
    if given.content != "Image":
        raise ApiError(400, f"Datasets hold images only, not “{given.content[:50]}”.")
    dataset = Dataset(
        organization=request.auth.membership.organization,
        name=checked_name(given.name, limit=MAX_NAME, what="A dataset's name"),
        type=_type_called(given.type),
        description=checked_text(given.description or ""),
    )
    if given.metadata is not None:
        dataset.attributes = merged({}, given.metadata.attributes, what=_ATTRIBUTES)
    _save(dataset)
    return Status(201, dataset_out(dataset, statistics.counts_of([dataset])[dataset.pk]))


@router.patch(DS, response=answers(_200=DatasetOut, refusals=(403, 409, 412)), tags=["Datasets"])
def change_dataset(request: ApiRequest, organization_id: str, dataset_id: str, given: DatasetChange) -> DatasetOut:
    """Another name or description. Attributes are written over those that are there; null takes one away.

    The type stays, and other fields are refused.
    """
    require_edit(request)
    named = dataset_at(request, dataset_id)
    with transaction.atomic():
        # Two changes of attributes take turns, so that neither undoes the other.
        dataset = Dataset.objects.select_for_update().filter(pk=named.pk).first()
        if dataset is None:
            raise not_found("dataset", dataset_id)
        check_match(request, dataset_etag(dataset))
        _change(dataset, given)
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
    """The deletion of a dataset, as long as something of it is still here. `user` is empty: who did it is not kept."""
    deleted = Dataset.everything.filter(organization=request.auth.membership.organization).exclude(deleted_at=None)
    with suppress(ValueError):
        dataset = deleted.filter(pk=uuid.UUID(dataset_id.rpartition("_")[2])).first()
        if dataset is not None:
            return deleted_dataset_out(dataset, user="")
    raise not_found("deletion of the dataset", dataset_id)


def _type_called(given: str) -> str:
    """The type of dataset that is meant: as the client writes it, or as its own constants are called."""
    for known in DatasetType.values:
        if given.lower().replace("_", "-") in (known, known.replace("-", "")):
            return known
    raise ApiError(400, f"“{given[:50]}” is no type of dataset. Use one of: {', '.join(DatasetType.values)}.")


def _change(dataset: Dataset, given: DatasetChange) -> None:
    if unknown := sorted(given.model_extra or {}):
        raise ApiError(400, f"A dataset's “{unknown[0][:100]}” cannot be changed. Send name, description or metadata.")
    if given.type is not None and _type_called(given.type) != dataset.type:
        raise ApiError(400, "A dataset's type cannot be changed. Make another dataset.")
    if given.name is not None:
        dataset.name = checked_name(given.name, limit=MAX_NAME, what="A dataset's name")
    if given.description is not None:
        dataset.description = checked_text(given.description)
    if given.metadata is not None:
        dataset.attributes = merged(dataset.attributes, given.metadata.attributes, what=_ATTRIBUTES)
    _save(dataset, only=("name", "description", "attributes", "updated_at"))


def _save(dataset: Dataset, only: tuple[str, ...] | None = None) -> None:
    """Write the row, or `only` these columns of it."""
    try:
        with transaction.atomic():
            dataset.save(update_fields=only)
    except IntegrityError as error:
        raise ApiError(409, f"There is already a dataset “{dataset.name}”. Choose another name.") from error
