"""How an archive is sent: by the portal, in ranges, or by the nginx in front of it."""

from __future__ import annotations

from typing import BinaryIO

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import content_disposition_header

from exports.models import ExportJob
from vi_portal.ranges import ranged_response


def archive_response(request: HttpRequest, job: ExportJob, archive: BinaryIO) -> HttpResponseBase:
    """The answer to a GET or HEAD of the open `archive` of `job`; it is closed with the response.

    With X_ACCEL_REDIRECT set, nginx is told where the file is; it does the ranges and conditions itself.
    """
    if not settings.X_ACCEL_REDIRECT:
        return ranged_response(
            request,
            archive,
            size=job.size or 0,
            sha256=job.sha256,
            filename=job.archive_filename,
            content_type="application/zip",
        )
    archive.close()
    return HttpResponse(
        content_type="application/zip",
        headers={
            "Cache-Control": "private, no-transform",
            "Content-Disposition": str(content_disposition_header(True, job.archive_filename)),
            "X-Accel-Redirect": f"{settings.X_ACCEL_REDIRECT.rstrip('/')}/{job.archive}",
            "X-Checksum-SHA256": job.sha256,
        },
    )
