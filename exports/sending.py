"""How an archive is sent: by the portal, in ranges; by the nginx in front of it; or by the store it is on.

A link to the store would not do as the address that is given out: it is good for GET alone, where clients ask by HEAD
first; its tag is not the SHA-256 that ours is; and it outlives the right to it. So the portal answers HEAD, and each
GET, each part of a download by many, is shown the way with a link of its own.
"""

from __future__ import annotations

import io
from typing import BinaryIO

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.utils.http import content_disposition_header

from exports import storage
from exports.models import ExportJob
from vi_portal.metrics import count_download
from vi_portal.ranges import names_tag, ranged_response


def archive_response(request: HttpRequest, job: ExportJob) -> HttpResponseBase:
    """The answer to a GET or HEAD of the archive of `job`.

    Raises `StoreFailed` where the store it is on cannot be asked, and `OSError` where it is not there as a whole.
    """
    response = _response(request, job)
    count_download(request, response)
    return response


def _response(request: HttpRequest, job: ExportJob) -> HttpResponseBase:
    if settings.X_ACCEL_REDIRECT:
        return _by_nginx(job)
    size = job.size or 0
    if request.method == "HEAD":
        storage.require_whole(job.archive, size=size)
        return _by_portal(request, job, io.BytesIO())
    # A condition on our own tag is ours to judge: the store knows another.
    if not names_tag(request, job.sha256):
        if "Range" not in request.headers:
            storage.require_whole(job.archive, size=size)
        if link := storage.link(job.archive, filename=job.archive_filename):
            return HttpResponseRedirect(link, headers={"Cache-Control": "no-store"})
    return _by_portal(request, job, storage.open_archive(job.archive, size=size))


def _by_portal(request: HttpRequest, job: ExportJob, archive: BinaryIO) -> HttpResponseBase:
    return ranged_response(
        request,
        archive,
        size=job.size or 0,
        sha256=job.sha256,
        filename=job.archive_filename,
        content_type="application/zip",
    )


def _by_nginx(job: ExportJob) -> HttpResponseBase:
    """nginx is told where the file is; it does the ranges and conditions itself."""
    storage.require_whole(job.archive, size=job.size or 0)
    return HttpResponse(
        content_type="application/zip",
        headers={
            "Cache-Control": "private, no-transform",
            "Content-Disposition": str(content_disposition_header(True, job.archive_filename)),
            "X-Accel-Redirect": f"{settings.X_ACCEL_REDIRECT.rstrip('/')}/{job.archive}",
            "X-Checksum-SHA256": job.sha256,
        },
    )
