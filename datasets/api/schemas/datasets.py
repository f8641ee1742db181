"""Datasets on the wire."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from datasets.api.addresses import dataset_id, dataset_link
from datasets.models import Dataset
from datasets.statistics import Counts, Labels
from vi_portal.api.etags import etag_of
from vi_portal.api.schemas import Conditions, ResourceMetadata, WireSchema, finished, milliseconds, resource_metadata


class AttributesIn(WireSchema):
    """Texts to keep with a dataset. A change writes them over those that are there; null takes one away."""

    attributes: dict[str, str | None] = Field(default_factory=dict)


class DatasetIn(WireSchema):
    """A dataset to make. What else a client sends is not kept."""

    name: str
    type: str = "phrase-grounding"
    description: str | None = None
    content: str = "Image"
    metadata: AttributesIn | None = None


class DatasetChange(WireSchema):
    """What is left out stays as it is. What cannot be changed is refused."""

    model_config = ConfigDict(extra="allow", json_schema_extra={"additionalProperties": False})

    name: str | None = None
    description: str | None = None
    type: str | None = None
    metadata: AttributesIn | None = None


class Statistic(WireSchema):
    asset_total: int
    annotation_total: int
    asset_annotated: int
    tags_count: dict[str, int] = Field(default_factory=dict)


class Access(WireSchema):
    is_public: bool = False
    is_read_only: bool = False


class AssetStatus(WireSchema):
    description: str
    color: str


class DatasetOut(WireSchema):
    """What clients ask for and we have no such thing as (tags, cohorts, preferences) is there and empty."""

    kind: str = "Dataset"
    dataset_id: str
    name: str
    description: str
    owner: str
    workspace_id: str
    type: str
    content: str = "Image"
    create_date: int
    statistic: Statistic
    users: dict[str, str] = Field(default_factory=dict)
    tags: dict[str, int] = Field(default_factory=dict)
    cohorts: list[str] = Field(default_factory=list)
    status: int = 0
    last_accessed: int
    is_locked: bool = False
    access: Access = Access()
    preference: dict[str, bool | str] = Field(default_factory=dict)
    asset_statuses: dict[str, AssetStatus] = Field(default_factory=dict)
    metadata: ResourceMetadata
    self_link: str
    etag: str


class DatasetPage(WireSchema):
    items: list[DatasetOut]
    next_page: str | None = None


class SimpleDatasetOut(WireSchema):
    """A dataset, to choose from a list."""

    dataset_id: str
    name: str
    type: str


class SimpleDatasetPage(WireSchema):
    items: list[SimpleDatasetOut]
    next_page: str | None = None


class LabelCount(WireSchema):
    label: str
    count: int


class StatisticsOut(WireSchema):
    """What a dataset amounts to. `labels` are the most frequent phrases or answers of `labelTotal` different ones."""

    dataset_id: str
    statistic: Statistic
    label_total: int
    labels: list[LabelCount]


def dataset_etag(dataset: Dataset) -> str:
    return etag_of(dataset.revision, dataset.updated_at.isoformat(), dataset.name, dataset.description)


def statistic_out(counts: Counts) -> Statistic:
    return Statistic(asset_total=counts.assets, annotation_total=counts.annotations, asset_annotated=counts.annotated)


def dataset_out(dataset: Dataset, counts: Counts) -> DatasetOut:
    """The wire's view of `dataset`."""
    return DatasetOut(
        dataset_id=dataset_id(dataset),
        name=dataset.name,
        description=dataset.description,
        owner=str(dataset.organization_id),
        workspace_id=str(dataset.organization_id),
        type=dataset.type,
        create_date=milliseconds(dataset.created_at),
        last_accessed=milliseconds(dataset.updated_at),
        statistic=statistic_out(counts),
        metadata=resource_metadata(
            created=dataset.created_at, updated=dataset.updated_at, attributes=dataset.attributes
        ),
        self_link=dataset_link(dataset),
        etag=dataset_etag(dataset),
    )


def statistics_out(dataset: Dataset, counts: Counts, labels: Labels) -> StatisticsOut:
    """The wire's view of what `dataset` amounts to."""
    return StatisticsOut(
        dataset_id=dataset_id(dataset),
        statistic=statistic_out(counts),
        label_total=labels.distinct,
        labels=[LabelCount(label=each.text, count=each.count) for each in labels.top],
    )


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
