"""Assets on the wire."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from datasets.api.addresses import dataset_id, dataset_link
from datasets.models import Asset, Dataset
from vi_portal.api.etags import etag_of
from vi_portal.api.schemas import WireSchema, milliseconds


class NewName(WireSchema):
    filename: str


class Generations(WireSchema):
    asset: str = "1"
    thumbnail: str = "1"


class AnnotationCount(WireSchema):
    with_tag: dict[str, int] = Field(default_factory=dict)
    total: int


class Dimensions(WireSchema):
    height: int
    width: int


class AssetHash(WireSchema):
    algorithm: str = "SHA256"
    contents: str


class AssetMetadata(WireSchema):
    generations: Generations = Generations()
    inserted_by: str = ""
    annotations: AnnotationCount
    frames: int = 1
    cohorts: list[str] = Field(default_factory=list)
    file_size: int
    height: int
    width: int
    mime_type: str
    source: str = "Upload"
    status: str
    upload_status: str
    visibility: str = "Visible"
    user_defined: dict[str, Any] = Field(default_factory=dict)
    custom_metadata: dict[str, str | bool | int | float] = Field(default_factory=dict)
    dimensions: Dimensions
    pixel_ratio: Dimensions = Dimensions(height=1, width=1)
    comments: int = 0
    custom_metadata_count: int = 0
    hash: AssetHash
    contents_from: str = "Upload"
    frames_change: dict[str, int] = Field(default_factory=dict)
    time_created: int
    last_updated: int
    contents_last_updated: int


class SignedUrl(WireSchema):
    """An address that needs no key until `expiry`."""

    url: str
    expiry: int
    method: str = "GET"
    headers: dict[str, str] = Field(default_factory=dict)


class AssetContents(WireSchema):
    asset: SignedUrl | None = None
    thumbnail: SignedUrl | None = None


class AssetOut(WireSchema):
    kind: str = "Image"
    asset_id: str
    dataset_id: str
    workspace_id: str
    filename: str
    owner: str
    metadata: AssetMetadata
    contents: AssetContents | None = None
    self_link: str
    etag: str


class AssetPage(WireSchema):
    items: list[AssetOut]
    next_page: str | None = None


class AssetCount(WireSchema):
    count: int


def asset_out(asset: Asset, *, dataset: Dataset, annotations: int, contents: AssetContents | None) -> AssetOut:
    """The wire's view of `asset`, an asset of `dataset` with so many annotations; `contents` is where its image is."""
    kept = asset.custom_metadata or {}
    created, updated = milliseconds(asset.created_at), milliseconds(asset.updated_at)
    return AssetOut(
        asset_id=asset.uid,
        dataset_id=dataset_id(dataset),
        workspace_id=str(dataset.organization_id),
        filename=asset.filename,
        owner=str(dataset.organization_id),
        metadata=AssetMetadata(
            annotations=AnnotationCount(total=annotations),
            file_size=asset.size,
            height=asset.height,
            width=asset.width,
            mime_type=asset.mime_type,
            status="Annotated" if annotations else "None",
            upload_status="Uploaded" if asset.file else "Missing",
            custom_metadata=kept,
            custom_metadata_count=len(kept),
            dimensions=Dimensions(height=asset.height, width=asset.width),
            hash=AssetHash(contents=asset.sha256),
            time_created=created,
            last_updated=updated,
            contents_last_updated=updated,
        ),
        contents=contents,
        self_link=f"{dataset_link(dataset)}/assets/{asset.uid}",
        etag=asset_etag(asset, annotations),
    )


def asset_etag(asset: Asset, annotations: int) -> str:
    return etag_of(asset.pk, asset.updated_at.isoformat(), asset.filename, asset.sha256, annotations)
