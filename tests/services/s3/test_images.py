"""Images on a store: sent in, shown, read."""

from __future__ import annotations

import os
from threading import BoundedSemaphore, Event, Thread
from urllib.parse import urlsplit

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client
from django.urls import reverse

from datasets import images
from datasets.models import Asset, Dataset
from tests import cast
from tests.api.calling import client_of
from tests.conftest import signed_in
from tests.datasets.api.calling import path
from tests.datasets.api.sending import opened, put, state
from tests.services.s3.kit import with_images
from tests.services.store import Asked, Bucket, Fault, Way, fails
from vi_portal.accounts.models import User
from vi_portal.s3 import patience

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "snapshot"])


def thumbnail_link(user: User, dataset: Dataset) -> str:
    """Where a program fetches the thumbnail of the only asset of `dataset`, with no key."""
    [asset] = client_of(user).get(path(dataset, "/assets?contents=y")).json()["items"]
    link = urlsplit(asset["contents"]["thumbnail"]["url"])
    return f"{link.path}?{link.query}"


def test_images_sent_in_by_the_api_are_on_the_store_and_shown(valves: Dataset, ana: User, bucket: Bucket) -> None:
    client, content = client_of(ana), cast.jpeg()
    session = opened(client, valves, ("line_07.jpg", content))
    [slot] = session["status"]["assets"]
    assert put(slot, content).status_code == 200
    assert state(client, valves, session)["conditions"][0]["status"] == "Reached"
    asset = Asset.objects.get()
    assert bucket.read(f"team/media/{asset.file}") == content
    browser = signed_in(ana)
    shown = browser.get(reverse("image", args=[valves.pk, asset.uid]))
    assert (shown.getvalue(), shown.headers["Content-Length"]) == (content, str(len(content)))
    small = browser.get(reverse("thumbnail", args=[valves.pk, asset.uid]))
    assert small.getvalue() == bucket.read(f"team/media/{images.thumbnail_key(asset.file)}")


def test_a_thumbnail_that_is_missing_is_made(valves: Dataset, ana: User) -> None:
    with_images(valves, 1)
    asset = Asset.objects.get()
    default_storage.delete(images.thumbnail_key(asset.file))
    shown = signed_in(ana).get(reverse("thumbnail", args=[valves.pk, asset.uid]))
    assert (shown.status_code, shown.getvalue()[:2]) == (200, b"\xff\xd8")


def test_a_program_s_thumbnail_is_asked_of_the_store_once(valves: Dataset, ana: User, way: Way) -> None:
    with_images(valves, 1)
    address = thumbnail_link(ana, valves)
    way.asked.clear()
    shown = Client().get(address)
    assert (shown.status_code, shown.getvalue()[:2]) == (200, b"\xff\xd8")
    assert [asked.method for asked in way.asked] == ["GET"]


def test_a_program_s_thumbnail_is_made_or_missing_or_comes_later(valves: Dataset, ana: User, way: Way) -> None:
    with_images(valves, 1)
    asset, address = Asset.objects.get(), thumbnail_link(ana, valves)
    default_storage.delete(images.thumbnail_key(asset.file))
    assert Client().get(address).getvalue()[:2] == b"\xff\xd8"
    way.fault = fails("GET", "HEAD")
    assert Client().get(address).status_code == 503
    way.fault = lambda asked: None
    default_storage.delete(images.thumbnail_key(asset.file))
    default_storage.delete(asset.file)
    assert Client().get(address).status_code == 404


def test_an_image_the_store_does_not_take_becomes_no_asset(
    valves: Dataset, ana: User, way: Way, bucket: Bucket
) -> None:
    client, content = client_of(ana), cast.jpeg()
    [slot] = opened(client, valves, ("line_07.jpg", content))["status"]["assets"]
    way.fault = fails("PUT")
    refused = put(slot, content)
    assert refused.status_code == 503
    assert "The file store fails (InternalError)" in refused.json()["message"]
    assert (Asset.objects.count(), bucket.keys()) == (0, [])
    way.fault = lambda asked: None
    assert put(slot, content).status_code == 200


def test_a_page_answers_though_the_store_does_not(valves: Dataset, ana: User, way: Way) -> None:
    with_images(valves, 1)
    asset, browser = Asset.objects.get(), signed_in(ana)
    way.fault = fails("GET", "HEAD")
    assert browser.get(reverse("assets", args=[valves.pk])).status_code == 200
    for name in ("image", "thumbnail"):
        assert browser.get(reverse(name, args=[valves.pk, asset.uid])).status_code == 503


def test_a_store_that_hangs_holds_up_only_so_many_pages(
    valves: Dataset, ana: User, way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_images(valves, 1)
    address, browser = reverse("image", args=[valves.pk, Asset.objects.get().uid]), signed_in(ana)
    monkeypatch.setattr(patience, "_places", BoundedSemaphore(1))
    monkeypatch.setattr(patience, "_LONGEST_WAIT_FOR_A_PLACE", 0.01)
    came, go_on = Event(), Event()

    def hang(asked: Asked) -> None:
        came.set()
        go_on.wait(timeout=20)

    way.fault = hang
    first = Thread(target=lambda: default_storage.open(Asset.objects.get().file).close())
    first.start()
    assert came.wait(timeout=20)
    refused = browser.get(address)
    assert (refused.status_code, "too many wait" in refused.content.decode()) == (503, True)
    go_on.set()
    first.join(timeout=20)
    assert browser.get(address).status_code == 200


def test_a_file_of_any_size_is_read_in_any_order(bucket: Bucket, way: Way) -> None:
    content = os.urandom(3 * 2**20)
    default_storage.save("some/file.bin", ContentFile(content))
    with default_storage.open("some/file.bin") as file:
        for start in (0, 2_900_000, 100, 700_000, 650_000):
            file.seek(start)
            assert file.read(1000) == content[start : start + 1000]
    way.fault = lambda asked: Fault(cut_after=900_000) if asked.method == "GET" else None
    with default_storage.open("some/file.bin") as file:
        assert file.read() == content, "a connection that breaks is taken up where it broke"
