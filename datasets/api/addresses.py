"""The API's addresses, and what they name: something of the key's own organization, or nothing."""

from __future__ import annotations

import re
import uuid
from typing import Any, TypeVar

from django.db.models import Model, QuerySet

from datasets.models import Annotation, Asset, Dataset
from vi_portal.api.auth import ApiRequest
from vi_portal.api.errors import not_found

W = "/workspaces/{organization_id}"
DS = W + "/datasets/{dataset_id}"
ASSET = DS + "/assets/{asset_id}"
AN = ASSET + "/annotations"

Row = TypeVar("Row", bound=Model)

_UID = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)
_ANNOTATION = re.compile(r"n([0-9]{1,18})(?:-([0-9]{1,9}))?", re.ASCII)


def dataset_id(dataset: Dataset) -> str:
    """How the API calls `dataset`: `{organization}_{dataset}`."""
    return f"{dataset.organization_id}_{dataset.pk}"


def dataset_link(dataset: Dataset) -> str:
    return f"/workspaces/{dataset.organization_id}/datasets/{dataset_id(dataset)}"


def dataset_at(request: ApiRequest, named: str) -> Dataset:
    """The dataset `named`: `{organization}_{dataset}`, with the organization twice, or bare. Raises `ApiError` 404."""
    organization = request.auth.membership.organization
    *prefixes, last = named.split("_")
    if len(prefixes) <= 2 and all(each.lower() == str(organization.pk) for each in prefixes):
        try:
            pk = uuid.UUID(last)
        except ValueError:
            pk = None
        mine = Dataset.objects.filter(organization=organization)
        dataset: Dataset | None = mine.filter(pk=pk).first() if pk else None
        if dataset is not None:
            return dataset
    raise not_found("dataset", named)


def asset_at(dataset: Dataset, named: str) -> Asset:
    """The asset of `dataset` with that id. Raises `ApiError` 404."""
    asset: Asset | None = dataset.assets.filter(uid=named).first() if _UID.fullmatch(named) else None
    if asset is None:
        raise not_found("asset", named)
    return asset


def row_at(rows: QuerySet[Row], named: str, *, what: str) -> Row:
    """The one of `rows` with that UUID; `what` is what such a row is called. Raises `ApiError` 404."""
    try:
        row = rows.filter(pk=uuid.UUID(named)).first()
    except ValueError:
        row = None
    if row is None:
        raise not_found(what, named)
    return row


def annotation_id(annotation: Annotation, box: int | None = None) -> str:
    """How the API calls `annotation` as a whole, or its `box`, counted from 1."""
    return f"n{annotation.pk}" if box is None else f"n{annotation.pk}-{box}"


def annotation_at(asset: Asset, named: str) -> tuple[Annotation, int | None]:
    """The annotation of `asset` with that id, and which of its boxes is meant. Raises `ApiError` 404.

    The id that exports write is taken as well, and means the whole.
    """
    match = _ANNOTATION.fullmatch(named)
    wanted: dict[str, Any] = {"pk": int(match[1])} if match else {"uid": named.replace("\x00", "")}
    annotation: Annotation | None = asset.annotations.filter(**wanted).first()
    if annotation is None:
        raise not_found("annotation", named)
    return annotation, int(match[2]) if match and match[2] else None
