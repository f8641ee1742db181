"""An export on the wire: what a client may ask, in any of its spellings, and how a job is told."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from datasets.api.addresses import dataset_id, dataset_link
from exports.conditions import conditions
from exports.models import ExportJob
from exports.registry import FORMATS
from exports.spec import ExportSpec, SpecError, parse_ratio, parse_seed
from vi_portal.api.etags import etag_of
from vi_portal.api.schemas import Condition, ResourceMetadata, WireSchema, resource_metadata

#: What a client means that names no format. The pages and the shell have another default, `spec.DEFAULT_FORMAT`.
CLIENTS_DEFAULT = "ViFull"

#: What a client may be told; it fails on any other name. Formats of ours that it does not know go by the first.
_TOLD_FORMATS = ("ViJsonl", "ViTfrecord", "ViFull")

_ABSENT = (None, "")


class ExportOptions(WireSchema):
    normalized: bool
    split_ratio: float | None = None


class ExportSpecOut(WireSchema):
    format: str
    options: ExportOptions


class DownloadUrl(WireSchema):
    url: str
    expires_at: int


class ExportStatus(WireSchema):
    conditions: list[Condition]
    download_url: DownloadUrl | None = None


class ExportOut(WireSchema):
    kind: str = "DatasetExport"
    workspace_id: str
    dataset_id: str
    dataset_export_id: str
    spec: ExportSpecOut
    status: ExportStatus
    metadata: ResourceMetadata
    self_link: str
    etag: str


class ExportPage(WireSchema):
    items: list[ExportOut]
    next_page: str | None = None


def export_out(job: ExportJob, *, download_url: DownloadUrl | None) -> ExportOut:
    """The wire's view of `job`, whose archive is at `download_url`."""
    dataset, spec = job.dataset, job.spec
    ratio = None if spec.validation_ratio is None else float(1 - spec.validation_ratio)
    return ExportOut(
        workspace_id=str(dataset.organization_id),
        dataset_id=dataset_id(dataset),
        dataset_export_id=str(job.pk),
        spec=ExportSpecOut(
            format=spec.format if spec.format in _TOLD_FORMATS else _TOLD_FORMATS[0],
            options=ExportOptions(normalized=spec.normalized, split_ratio=ratio),
        ),
        status=ExportStatus(conditions=conditions(job), download_url=download_url),
        metadata=resource_metadata(created=job.created_at, updated=job.finished_at or job.started_at or job.created_at),
        self_link=f"{dataset_link(dataset)}/datasetExports/{job.pk}",
        etag=etag_of(job.pk, job.state, job.attempts, job.archive),
    )


def parse_export(body: bytes) -> ExportSpec:
    """What the body of a request asks for. Raises `SpecError`.

    Keys may be written in camelCase or snake_case, and a format as `ViJsonl`, `VI_JSONL` or with the name of its
    enumeration before it. `splitRatio` is the share for training; `normalized` is true unless told otherwise; there
    are images only where asked for.
    """
    spec = _options_of(_decoded(body), "spec")
    options = _options_of(spec, "options")
    ratio = options.get("splitratio")
    seed = options.get("seed")
    return ExportSpec(
        format=_format(spec.get("format")),
        normalized=_flag(options, "normalized", default=True),
        include_images=_flag(options, "includeimages", default=False),
        validation_ratio=None if ratio in _ABSENT else 1 - _ratio(ratio),
        seed=None if seed in _ABSENT else parse_seed(json.dumps(seed, default=str)),
    )


def _decoded(body: bytes) -> Mapping[str, Any]:
    # Numbers stay as they were written: 0.8 is to be eight tenths exactly. NaN is a text, and no number.
    try:
        decoded = json.loads(body, parse_float=Decimal, parse_constant=str) if body.strip() else {}
    except (ValueError, RecursionError) as error:
        raise SpecError("spec", "The body is not JSON.") from error
    if not isinstance(decoded, dict):
        raise SpecError("spec", 'The body must be an object: {"spec": {"format": "ViJsonl"}}.')
    return _plain(decoded)


def _options_of(given: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = given.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise SpecError(name, f"“{name}” must be an object.")
    return _plain(value)


def _plain(given: Mapping[str, Any]) -> dict[str, Any]:
    """`given` with its keys without case or underscores."""
    return {name.replace("_", "").lower(): value for name, value in given.items()}


def _format(given: object) -> str:
    if given in _ABSENT:
        return CLIENTS_DEFAULT
    if not isinstance(given, str):
        raise SpecError("format", f"The format must be a text, one of: {', '.join(FORMATS)}.")
    wanted = re.sub(r"[_\s-]", "", given.rpartition(".")[2]).lower()
    return next((key for key in FORMATS if key.lower() == wanted), given[:60])


def _flag(options: Mapping[str, Any], name: str, *, default: bool) -> bool:
    value = options.get(name)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise SpecError(name, f"“{name}” must be true or false.")
    return value


def _ratio(given: object) -> Decimal:
    number = isinstance(given, (int, Decimal, str)) and not isinstance(given, bool)
    text = format(given, "f") if isinstance(given, Decimal) and abs(given.adjusted()) < 20 else str(given)
    try:
        return parse_ratio(text if number else json.dumps(given, default=str))
    except SpecError as error:
        raise SpecError(
            "splitRatio",
            f"“{text[:40]}” is not a split ratio. Give a plain number from 0 to 1, like 0.8: the share of assets for "
            "training. The rest is for validation.",
        ) from error
