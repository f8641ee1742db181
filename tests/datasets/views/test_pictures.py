"""Image files over the web: the right bytes, cached, and harmless whatever was uploaded."""

from __future__ import annotations

import io
from typing import Any

from django.core.files.storage import default_storage
from django.test import Client
from django.urls import reverse
from PIL import Image

from datasets.models import Asset, Dataset
from tests import cast


def body(response: Any) -> bytes:
    assert response.status_code == 200
    return b"".join(response.streaming_content)


def url_of(name: str, asset: Asset) -> str:
    return reverse(name, args=[asset.dataset_id, asset.uid])


def test_the_image_is_served_byte_for_byte(as_ana: Client, valves: Dataset) -> None:
    image = cast.jpeg(80, 60)
    asset = cast.make_asset(valves, image=image)
    response = as_ana.get(url_of("image", asset))
    assert body(response) == image
    assert response["Content-Type"] == "image/jpeg"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Content-Security-Policy"].startswith("sandbox")
    assert "private" in response["Cache-Control"]
    assert "max-age" in response["Cache-Control"]


def test_the_browser_is_told_when_it_has_the_image_already(as_ana: Client, valves: Dataset) -> None:
    asset = cast.make_asset(valves, image=cast.jpeg())
    for name in ("image", "thumbnail"):
        tag = as_ana.get(url_of(name, asset))["ETag"]
        assert asset.sha256 in tag
        assert as_ana.get(url_of(name, asset), headers={"If-None-Match": tag}).status_code == 304


def test_what_is_no_known_image_is_only_offered_for_download(as_ana: Client, valves: Dataset) -> None:
    asset = cast.make_asset(valves, "page.svg", image=b"<svg onload='alert(1)'/>")
    for mime_type in ("image/svg+xml", "text/html", ""):
        Asset.objects.update(mime_type=mime_type)
        response = as_ana.get(url_of("image", asset))
        assert response["Content-Type"] == "application/octet-stream"
        assert response["Content-Disposition"].startswith("attachment")


def test_thumbnails_are_small(as_ana: Client, valves: Dataset) -> None:
    asset = cast.make_asset(valves, width=2000, height=1000, image=cast.jpeg(2000, 1000))
    response = as_ana.get(url_of("thumbnail", asset))
    assert response["Content-Type"] == "image/jpeg"
    assert Image.open(io.BytesIO(body(response))).size == (320, 160)


def test_what_is_not_there_is_not_found(as_ana: Client, valves: Dataset) -> None:
    without = cast.make_asset(valves)
    lost = cast.make_asset(valves, "lost.jpg", image=cast.jpeg())
    default_storage.delete(lost.file)
    for asset in (without, lost):
        assert as_ana.get(url_of("image", asset)).status_code == 404
        assert as_ana.get(url_of("thumbnail", asset)).status_code == 404


def test_damaged_bytes_are_no_thumbnail(as_ana: Client, valves: Dataset) -> None:
    asset = cast.make_asset(valves, image=cast.jpeg()[:200])
    assert as_ana.get(url_of("thumbnail", asset)).status_code == 404
