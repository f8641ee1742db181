"""The image files of assets, for the pages: the uploaded bytes and the thumbnails, behind the same wall.

Uploaded bytes are never trusted: only what a decoder identified as a raster image is shown as one, and nothing in
them may run.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

from django.http import FileResponse, Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.utils.cache import get_conditional_response
from django.views.decorators.http import require_safe

from datasets.images import open_thumbnail
from datasets.models import Asset, Dataset
from vi_portal.accounts.requests import SignedInRequest
from vi_portal.s3.failures import StoreFailed

log = logging.getLogger(__name__)

#: What browsers draw as an image and nothing else.
SHOWN_TYPES = frozenset({"image/jpeg", "image/png", "image/webp", "image/gif", "image/bmp", "image/avif"})

#: An asset may get another image, so a browser soon asks whether its copy is still the one.
_A_MINUTE = 60


@require_safe
def image(request: SignedInRequest, pk: UUID, uid: str) -> HttpResponseBase:
    """The bytes as they were uploaded."""
    asset = _asset_for(request, pk, uid)
    shown = asset.mime_type in SHOWN_TYPES
    return _file_response(
        request,
        asset.open_image,
        tag=f'"{asset.sha256}"' if asset.sha256 else None,
        filename=asset.member_name,
        content_type=asset.mime_type if shown else "application/octet-stream",
        as_attachment=not shown or "download" in request.GET,
    )


@require_safe
def thumbnail(request: SignedInRequest, pk: UUID, uid: str) -> HttpResponseBase:
    """A small JPEG of the image."""
    asset = _asset_for(request, pk, uid)
    return _file_response(
        request,
        partial(open_thumbnail, asset),
        tag=f'"small-{asset.sha256}"' if asset.sha256 else None,
        filename=f"{asset.uid}.jpg",
        content_type="image/jpeg",
    )


def _asset_for(request: SignedInRequest, pk: UUID, uid: str) -> Asset:
    visible = Asset.objects.filter(dataset__in=Dataset.objects.visible_to(request.user))
    return get_object_or_404(visible, dataset=pk, uid=uid)


def _file_response(
    request: SignedInRequest, opened: Callable[[], Any], *, tag: str | None, **described: Any
) -> HttpResponseBase:
    """The file, or 304 where the browser has it; 503 where the store fails. Raises `Http404` where it is not there."""
    response: HttpResponseBase | None = get_conditional_response(request, etag=tag)
    if response is None:
        try:
            response = FileResponse(opened(), **described)
        except StoreFailed as error:
            log.warning("An image cannot be shown now: %s", error)
            return HttpResponse(str(error), status=503, content_type="text/plain; charset=utf-8")
        except OSError as error:
            raise Http404("The image is not here.") from error
    if tag:
        response["ETag"] = tag
        response["Cache-Control"] = f"private, max-age={_A_MINUTE}"
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "sandbox; default-src 'none'"
    return response
