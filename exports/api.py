"""The API's exports: the same door as the pages', with the answer held back a little until there is one."""

from __future__ import annotations

from django.http import HttpResponse
from ninja import Status

from datasets.api.addresses import DS, dataset_at, row_at
from datasets.models import Dataset
from exports.api_downloads import download_url
from exports.dispatch import request_export
from exports.models import ExportJob
from exports.registry import FORMATS
from exports.schemas import ExportOut, ExportPage, export_out, parse_export
from exports.spec import SpecError
from vi_portal.api.auth import ApiRequest, require_export
from vi_portal.api.errors import ApiError, not_found
from vi_portal.api.held import held_back
from vi_portal.api.pages import DEFAULT_SIZE, MAX_SIZE, PageSize, page_of
from vi_portal.api.routing import answers, router
from vi_portal.jobs.waiting import wait_for_end

EXPORTS = DS + "/datasetExports"

#: How long an answer may be held back, in seconds: for a new export, and for one that is asked after.
AT_START, AT_STATUS = 1.5, 25.0

_BODY = {
    "requestBody": {
        "required": False,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "spec": {
                            "type": "object",
                            "properties": {
                                "format": {"type": "string", "enum": list(FORMATS)},
                                "options": {
                                    "type": "object",
                                    "properties": {
                                        "normalized": {"type": "boolean", "default": True},
                                        "splitRatio": {
                                            "type": ["number", "null"],
                                            "minimum": 0,
                                            "maximum": 1,
                                            "description": "The share of assets for training.",
                                        },
                                        "includeImages": {"type": "boolean", "default": False},
                                        "seed": {"type": ["integer", "null"], "minimum": 0},
                                    },
                                },
                            },
                        }
                    },
                }
            }
        },
    }
}


@router.post(
    EXPORTS, response=answers(_200=ExportOut, refusals=(403,)), openapi_extra=_BODY, exclude_none=True, tags=["Exports"]
)
def create_export(request: ApiRequest, organization_id: str, dataset_id: str) -> ExportOut:
    """Start an export. A small one is finished when the answer comes."""
    dataset = dataset_at(request, dataset_id)
    require_export(request)
    try:
        job = request_export(parse_export(request.body), dataset=dataset, user=request.auth.membership.user)
        wait_for_end(job, seconds=AT_START)
    except SpecError as error:
        raise ApiError(400, str(error)) from error
    except ExportJob.DoesNotExist as error:
        raise not_found("dataset", dataset_id) from error
    return _told(request, job)


@router.get(EXPORTS, response=answers(_200=ExportPage), exclude_none=True, tags=["Exports"])
def list_exports(
    request: ApiRequest, organization_id: str, dataset_id: str, s: PageSize = DEFAULT_SIZE, p: str = ""
) -> ExportPage:
    """The exports of the dataset, newest first."""
    dataset = dataset_at(request, dataset_id)
    rows = ExportJob.objects.filter(dataset=dataset).select_related("dataset")
    jobs, next_page = page_of(
        rows, order=("created_at", "pk"), size=min(s, MAX_SIZE), token=p, descending=True, fixed=True
    )
    return ExportPage(items=[_told(request, job) for job in jobs], next_page=next_page)


@router.get(
    EXPORTS + "/{export_id}", response=answers(_200=ExportOut, _307=ExportOut), exclude_none=True, tags=["Exports"]
)
def get_export(
    request: ApiRequest, response: HttpResponse, organization_id: str, dataset_id: str, export_id: str
) -> Status[ExportOut]:
    """How an export stands. While it is on its way the answer is held back, for 25 s; then it sends the client here
    again, ten times in a row."""
    job = _job_at(dataset_at(request, dataset_id), export_id)
    try:
        status = held_back(request, response, job, seconds=AT_STATUS)
    except ExportJob.DoesNotExist as error:
        raise not_found("export", export_id) from error
    return Status(status, _told(request, job))


def _job_at(dataset: Dataset, named: str) -> ExportJob:
    job = row_at(ExportJob.objects.filter(dataset=dataset), named, what="export")
    job.dataset = dataset
    return job


def _told(request: ApiRequest, job: ExportJob) -> ExportOut:
    """The job on the wire; with the address of its archive for whoever may export."""
    offered = job.has_archive and request.auth.membership.may_export
    return export_out(job, download_url=download_url(request, job) if offered else None)
