"""An export's archive for a program: an address that carries its own credential, in as many ranges as wanted."""

from __future__ import annotations

import logging
import re
import uuid
from datetime import timedelta

from django.conf import settings
from django.http.response import HttpResponseBase

from datasets.models import Dataset
from exports.models import ExportJob
from exports.schemas import DownloadUrl
from exports.sending import archive_response
from vi_portal.api import links
from vi_portal.api.auth import ApiRequest
from vi_portal.api.errors import ApiError
from vi_portal.api.routing import router
from vi_portal.s3.failures import StoreFailed

log = logging.getLogger(__name__)

_PATH = "/api/archives"


def download_url(request: ApiRequest, job: ExportJob) -> DownloadUrl:
    """Where the archive of `job` can be fetched with no key, for DOWNLOAD_LINK_HOURS."""
    stem = re.sub(r"[^A-Za-z0-9._-]+", "_", job.archive_filename, flags=re.ASCII)
    url, expires_at = links.signed_url(
        request,
        f"{_PATH}/{job.pk}/{stem}",
        subject=_subject(job.pk),
        key=request.auth,
        lasting=timedelta(hours=settings.DOWNLOAD_LINK_HOURS),
    )
    return DownloadUrl(url=url, expires_at=expires_at)


@router.api_operation(["GET", "HEAD"], _PATH + "/{uuid:export_id}/{name}", auth=None, include_in_schema=False)
def fetch_archive(request: ApiRequest, export_id: uuid.UUID, name: str) -> HttpResponseBase:
    """The archive behind a signed address; refused once the key is revoked or its member may not export any more."""
    key = links.opened(request, subject=_subject(export_id))
    if not key.membership.may_export:
        raise ApiError(403, "You may not download exports any more. Ask an owner of the organization.")
    # An archive outlives its dataset until it expires.
    datasets = Dataset.everything.filter(organization=key.membership.organization_id)
    job = ExportJob.objects.filter(pk=export_id, dataset__in=datasets).select_related("dataset").first()
    if job is None:
        raise ApiError(404, "This export is not here any more.")
    try:
        if not job.has_archive:
            raise FileNotFoundError(job.archive)
        return archive_response(request, job)
    except StoreFailed as error:
        log.warning("The archive of export %s cannot be given out now: %s", job.pk, error)
        raise ApiError(503, str(error)) from error
    except OSError as error:
        raise ApiError(410, "The archive of this export was deleted. Make a new export.") from error


def _subject(export_id: uuid.UUID) -> str:
    return f"archive {export_id}"
