"""The images of assets for a program: signed addresses that end in a name of their own, and what answers there."""

from __future__ import annotations

import hashlib
import logging
import re
import uuid
from datetime import timedelta
from typing import BinaryIO, cast

from django.conf import settings
from django.core.files.storage import default_storage
from django.http import FileResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.utils.http import content_disposition_header

from datasets import names
from datasets.api.schemas.assets import SignedUrl
from datasets.models import Asset, Dataset
from vi_portal.api import links
from vi_portal.api.auth import ApiRequest
from vi_portal.api.errors import ApiError
from vi_portal.api.routing import router
from vi_portal.ranges import names_tag, ranged_response
from vi_portal.s3 import store_of
from vi_portal.s3.failures import StoreFailed

log = logging.getLogger(__name__)

_PATH = "/api/images"
_SAFE = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*", re.ASCII)


def image_link(request: ApiRequest, asset: Asset) -> SignedUrl | None:
    """Where the image of `asset` can be fetched with no key; None where there is no file."""
    if not asset.file:
        return None
    url, expiry = links.signed_url(
        request,
        f"{_PATH}/{asset.dataset_id}/{asset.uid}/{url_name(asset)}",
        subject=_subject(asset.dataset_id, asset.uid),
        key=request.auth,
        lasting=timedelta(hours=settings.DOWNLOAD_LINK_HOURS),
    )
    return SignedUrl(url=url, expiry=expiry)


def url_name(asset: Asset) -> str:
    """A file name that needs no escaping in an address, and that no other asset of the dataset has.

    Clients save the image under it, as it stands.
    """
    if _SAFE.fullmatch(asset.member_name):
        return asset.member_name
    stem, extension = names.split_extension(asset.member_name)
    plain = re.sub(r"[^A-Za-z0-9_-]+", "_", stem, flags=re.ASCII)
    mark = hashlib.blake2b(asset.member_name.encode(), digest_size=6).hexdigest()
    return f"{plain[:80]}-{mark}{re.sub(r'[^.A-Za-z0-9]', '', extension, flags=re.ASCII)}"


@router.api_operation(
    ["GET", "HEAD"], _PATH + "/{uuid:dataset_id}/{asset_id}/{name}", auth=None, include_in_schema=False
)
def fetch_image(request: ApiRequest, dataset_id: uuid.UUID, asset_id: str, name: str) -> HttpResponseBase:
    """The image behind a signed address, for whom it was signed."""
    key = links.opened(request, subject=_subject(dataset_id, asset_id))
    dataset = Dataset.objects.filter(organization=key.membership.organization_id, pk=dataset_id)
    asset = Asset.objects.filter(dataset__in=dataset, uid=asset_id).first()
    if asset is None or not asset.file:
        raise ApiError(404, "This image is not here any more.")
    if (link := _link_to_store(request, asset)) is not None:
        return HttpResponseRedirect(link, headers={"Cache-Control": "no-store"})
    try:
        file = default_storage.open(asset.file)
    except StoreFailed as error:
        log.warning("The image %s cannot be given out now: %s", asset.pk, error)
        raise ApiError(503, str(error)) from error
    except OSError as error:
        raise ApiError(404, "This image is not here any more.") from error
    if not asset.sha256:
        return FileResponse(file, content_type=asset.mime_type, filename=asset.member_name, as_attachment=True)
    return ranged_response(
        request,
        cast(BinaryIO, file),
        size=asset.size,
        sha256=asset.sha256,
        filename=asset.member_name,
        content_type=asset.mime_type or "application/octet-stream",
    )


def _link_to_store(request: ApiRequest, asset: Asset) -> str | None:
    """Where the store itself gives out the image; None where it is for the portal to send, or to judge a condition."""
    store = store_of("default")
    if store is None or settings.S3_DOWNLOADS != "redirect" or request.method == "HEAD":
        return None
    if asset.sha256 and names_tag(request, asset.sha256):
        return None
    return store.link(
        asset.file,
        disposition=str(content_disposition_header(True, asset.member_name)),
        content_type=asset.mime_type or "application/octet-stream",
        seconds=settings.S3_LINK_SECONDS,
    )


def _subject(dataset_id: uuid.UUID, asset_id: str) -> str:
    return f"image {dataset_id} {asset_id}"
