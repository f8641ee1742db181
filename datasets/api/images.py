"""The images of assets and their thumbnails for a program: signed addresses, each ending in a name of its own, and what
answers there."""

from __future__ import annotations

import hashlib
import logging
import re
import uuid
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any, BinaryIO, cast

from django.conf import settings
from django.http import FileResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.utils.http import content_disposition_header

from datasets import names
from datasets.api.schemas.assets import AssetContents, SignedUrl
from datasets.images import open_thumbnail
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
_THUMBNAILS = "/api/thumbnails"
_SAFE = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*", re.ASCII)


def image_links(request: ApiRequest, asset: Asset) -> AssetContents | None:
    """Where the image of `asset` and its thumbnail can be fetched with no key; None where there is no file.

    An image that cannot be decoded has no thumbnail.
    """
    if not asset.file:
        return None
    image = _signed(request, asset, f"{_PATH}/{asset.dataset_id}/{asset.uid}/{url_name(asset)}")
    if asset.flaw:
        return AssetContents(asset=image)
    thumbnail = _signed(request, asset, f"{_THUMBNAILS}/{asset.dataset_id}/{asset.uid}/{asset.uid}.jpg")
    return AssetContents(asset=image, thumbnail=thumbnail)


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
    asset = _asset_signed_for(request, dataset_id, asset_id)
    if asset.file and (link := _link_to_store(request, asset)) is not None:
        return HttpResponseRedirect(link, headers={"Cache-Control": "no-store"})
    file = _opened(asset, asset.open_image)
    if not asset.sha256:
        return FileResponse(file, content_type=asset.mime_type, filename=asset.member_name, as_attachment=True)
    return ranged_response(
        request,
        file,
        size=asset.size,
        sha256=asset.sha256,
        filename=asset.member_name,
        content_type=asset.mime_type or "application/octet-stream",
    )


@router.api_operation(
    ["GET", "HEAD"], _THUMBNAILS + "/{uuid:dataset_id}/{asset_id}/{name}", auth=None, include_in_schema=False
)
def fetch_thumbnail(request: ApiRequest, dataset_id: uuid.UUID, asset_id: str, name: str) -> HttpResponseBase:
    """The thumbnail behind a signed address: a JPEG of at most 320 px a side."""
    asset = _asset_signed_for(request, dataset_id, asset_id)
    file = _opened(asset, partial(open_thumbnail, asset))
    return FileResponse(file, content_type="image/jpeg", filename=f"{asset.uid}.jpg")


def _signed(request: ApiRequest, asset: Asset, path: str) -> SignedUrl:
    """One credential is good for the image and its thumbnail."""
    url, expiry = links.signed_url(
        request,
        path,
        subject=_subject(asset.dataset_id, asset.uid),
        key=request.auth,
        lasting=timedelta(hours=settings.DOWNLOAD_LINK_HOURS),
    )
    return SignedUrl(url=url, expiry=expiry)


def _asset_signed_for(request: ApiRequest, dataset_id: uuid.UUID, asset_id: str) -> Asset:
    """The asset of a signed address. Raises `ApiError`."""
    key = links.opened(request, subject=_subject(dataset_id, asset_id))
    dataset = Dataset.objects.filter(organization=key.membership.organization_id, pk=dataset_id)
    asset = Asset.objects.filter(dataset__in=dataset, uid=asset_id).first()
    if asset is None:
        raise _gone()
    return asset


def _opened(asset: Asset, opened: Callable[[], Any]) -> BinaryIO:
    """The file of `asset` that is `opened`. Raises `ApiError`: 404 where there is none, 503 where the store fails."""
    try:
        return cast(BinaryIO, opened())
    except StoreFailed as error:
        log.warning("The image %s cannot be given out now: %s", asset.file, error)
        raise ApiError(503, str(error)) from error
    except OSError as error:
        raise _gone() from error


def _gone() -> ApiError:
    return ApiError(404, "This image is not here any more.")


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
