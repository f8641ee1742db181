"""Calls of the API about a dataset: the paths below it, and a body sent there."""

from __future__ import annotations

from typing import Any

from django.test import Client

from datasets.models import Annotation, Dataset
from tests import cast


def path(dataset: Dataset, below: str = "") -> str:
    return f"/workspaces/{dataset.organization_id}/datasets/{dataset.organization_id}_{dataset.pk}{below}"


def sent(client: Client, method: str, address: str, body: Any = None) -> Any:
    return client.generic(method, address, b"" if body is None else cast.as_json(body), "application/json")


def annotation_path(annotation: Annotation, box: int | None = None) -> str:
    named = f"n{annotation.pk}" + ("" if box is None else f"-{box}")
    return path(annotation.asset.dataset, f"/assets/{annotation.asset.uid}/annotations/{named}")
