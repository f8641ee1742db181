"""Images sent to the slots of an ingestion session: what is taken, what is refused and how it is told."""

from __future__ import annotations

import io
import zlib
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core.files.storage import default_storage
from django.db.models.functions import Now
from django.test import Client, RequestFactory
from PIL import Image

from datasets import leftovers, removal
from datasets.contents import PhraseGrounding, parse
from datasets.models import Code, Dataset, IngestionSession, IngestionSlot
from datasets.uploads import ingestion
from datasets.uploads.bodies import BodyRefused
from tests import cast
from tests.api.calling import client_of, key_of, message
from tests.datasets.api.calling import path, sent
from tests.datasets.api.sending import SESSIONS, crc, opened, put, state
from vi_portal.accounts.models import Membership, Role, User


def test_an_image_becomes_an_asset_with_its_bytes(ana: User, valves: Dataset) -> None:
    client, content = client_of(ana), cast.jpeg()
    session = opened(client, valves, ("line_07.jpg", content))
    assert state(client, valves, session)["conditions"][0]["status"] == "Waiting"
    [slot] = session["status"]["assets"]
    assert put(slot, content).json() == {"filename": "line_07.jpg", "state": "stored", "code": "", "message": ""}
    asset = valves.assets.get()
    assert (asset.filename, asset.width, asset.height, asset.size) == ("line_07.jpg", 64, 48, len(content))
    assert asset.open_image().read() == content
    told = state(client, valves, session)
    assert told["conditions"][0]["status"] == "Reached"
    assert told["progressCount"] == {"total": 1, "succeeded": 1, "errored": 0}
    assert told["events"] == []


def test_a_session_for_nothing_is_over_at_once(ana: User, valves: Dataset) -> None:
    session = opened(client_of(ana), valves)
    assert session["status"]["conditions"][0]["status"] == "Reached"


@pytest.mark.parametrize("word", ["KeepLinkedResource", "KeepLinkedResources"])
def test_the_clients_spelling_is_echoed_as_it_can_read_it(ana: User, valves: Dataset, word: str) -> None:
    assert (
        opened(client_of(ana), valves, onAssetOverwritten=word)["spec"]["onAssetOverwritten"] == "KeepLinkedResources"
    )


def bomb() -> bytes:
    """A PNG of a few bytes that claims 400 million pixels."""
    buffer = io.BytesIO()
    Image.new("1", (8, 8)).save(buffer, "PNG")
    content = bytearray(buffer.getvalue())
    content[16:24] = (20_000).to_bytes(4, "big") * 2
    content[29:33] = zlib.crc32(bytes(content[12:29])).to_bytes(4, "big")
    return bytes(content)


def png() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 48), "teal").save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "mime", "content", "code"),
    [
        ("a.jpg", "image/jpeg", b"no image at all", "EBADMIME"),
        ("a.jpg", "image/jpeg", png(), "EBADMIME"),
        ("a.png", "image/jpeg", png(), "EBADMIME"),
        ("a.mp4", "video/mp4", png(), "EBADMIME"),
        ("a.png", "image/png", bomb(), "EBADSIZE"),
        ("a.jpg", "image/jpeg", cast.jpeg(640, 480)[:-200], "ECORRUPT"),
    ],
)
def test_what_is_no_whole_image_is_refused_by_name(
    ana: User, valves: Dataset, settings: Any, name: str, mime: str, content: bytes, code: str
) -> None:
    client = client_of(ana)
    body = {"spec": {"assets": [{"filename": name, "mime": mime, "size": len(content), "crc32c": crc(content)}]}}
    session = sent(client, "POST", path(valves, SESSIONS), body).json()
    told = put(session["status"]["assets"][0], content).json()
    assert (told["state"], told["code"]) == ("refused", code)
    assert name in told["message"]
    told = state(client, valves, session)
    assert told["conditions"][0]["status"] == "Reached"
    assert told["progressCount"] == {"total": 1, "succeeded": 0, "errored": 1}
    assert told["events"][0]["files"] == {name: code}
    assert not valves.assets.exists()
    assert not [file for file in Path(settings.MEDIA_ROOT).rglob("*") if file.is_file()]


def test_an_image_called_what_cannot_be_read_here_is_taken_for_what_it_is(ana: User, valves: Dataset) -> None:
    content = cast.jpeg()
    photo = {"filename": "photo.heic", "mime": "image/heic", "size": len(content), "crc32c": crc(content)}
    session = sent(client_of(ana), "POST", path(valves, SESSIONS), {"spec": {"assets": [photo]}}).json()
    assert put(session["status"]["assets"][0], content).json()["state"] == "stored"
    assert valves.assets.get().mime_type == "image/jpeg"


def test_bytes_other_than_announced_are_refused_and_may_be_sent_again(ana: User, valves: Dataset) -> None:
    client, content = client_of(ana), cast.jpeg()
    session = opened(client, valves, ("a.jpg", content))
    [slot] = session["status"]["assets"]
    assert "announced with" in message(put(slot, content + b"x"))
    flipped = content[:-1] + bytes([content[-1] ^ 1])
    assert "CRC32C" in message(put(slot, flipped))
    assert not valves.assets.exists()
    assert put(slot, content).status_code == 200
    assert state(client, valves, session)["progressCount"]["succeeded"] == 1
    assert put(slot, content).status_code == 409


def test_a_file_beyond_the_limit_is_refused(ana: User, valves: Dataset, settings: Any) -> None:
    settings.UPLOAD_MAX_MB = 1
    client, content = client_of(ana), b"x" * (2**20 + 1)
    session = opened(client, valves, ("a.jpg", content))
    response = put(session["status"]["assets"][0], content)
    assert response.status_code == 413
    assert "1 MiB" in message(response)
    assert state(client, valves, session)["events"][0]["files"] == {"a.jpg": "EBADSIZE"}


def test_a_session_nobody_comes_back_for_ends_by_itself(ana: User, valves: Dataset, settings: Any) -> None:
    client = client_of(ana)
    session = opened(client, valves, ("a.jpg", b"1"), ("b.jpg", b"2"))
    late = Now() - timedelta(seconds=settings.UPLOAD_QUIET_SECONDS + 1)
    IngestionSession.objects.update(active_at=late)
    IngestionSession.settle_abandoned()
    told = state(client, valves, session)
    assert told["conditions"][0]["status"] == "Reached"
    assert told["events"][0]["files"] == {"a.jpg": "ETIMEOUT", "b.jpg": "ETIMEOUT"}
    assert put(session["status"]["assets"][0], b"1").status_code == 409


def test_a_session_is_forgotten_with_the_archives_of_its_time_and_its_images_stay(
    ana: User, valves: Dataset, settings: Any
) -> None:
    client, content = client_of(ana), cast.jpeg()
    sessions = [opened(client, valves, (name, content)) for name in ("new.jpg", "old.jpg", "open.jpg")]
    for session in sessions[:2]:
        put(session["status"]["assets"][0], content)
        state(client, valves, session)
    rows = {slot.filename: slot.session_id for slot in IngestionSlot.objects.all()}
    long_ago = Now() - timedelta(days=settings.EXPORT_RETENTION_DAYS, seconds=1)
    IngestionSession.objects.filter(pk=rows["old.jpg"]).update(finished_at=long_ago)
    IngestionSession.objects.filter(pk=rows["open.jpg"]).update(created_at=long_ago)
    leftovers.discard()
    addresses = [path(valves, f"{SESSIONS}/{each['assetIngestionSessionId']}") for each in sessions]
    assert [client.get(address).status_code for address in addresses] == [200, 404, 200]
    assert [asset.filename for asset in valves.assets.all()] == ["new.jpg", "old.jpg"]


def test_a_cancelled_session_keeps_what_it_has_and_takes_no_more(ana: User, valves: Dataset) -> None:
    client, content = client_of(ana), cast.jpeg()
    session = opened(client, valves, ("a.jpg", content), ("b.jpg", content))
    first, second = session["status"]["assets"]
    put(first, content)
    address = path(valves, f"{SESSIONS}/{session['assetIngestionSessionId']}:cancel")
    told = sent(client, "POST", address)
    [condition] = told.json()["status"]["conditions"]
    assert (condition["status"], condition["condition"].partition(":")[0]) == ("FailedReach", "Cancelled")
    assert put(second, content).status_code == 409
    assert [asset.filename for asset in valves.assets.all()] == ["a.jpg"]


def test_an_image_that_is_on_its_way_when_its_session_is_cancelled_is_not_stored(ana: User, valves: Dataset) -> None:
    client, content = client_of(ana), cast.jpeg()
    opened(client, valves, ("a.jpg", content))
    slot = IngestionSlot.objects.select_related("session").get()
    IngestionSession.objects.get().cancel()
    with pytest.raises(BodyRefused, match="too late"):
        ingestion.fill(slot, RequestFactory().put("/", content, content_type="image/jpeg"))
    assert not valves.assets.exists()


def test_an_image_sent_twice_at_once_stays_stored_where_one_of_the_two_breaks_off(ana: User, valves: Dataset) -> None:
    client, content = client_of(ana), cast.jpeg()
    session = opened(client, valves, ("a.jpg", content))
    other = IngestionSlot.objects.get()
    put(session["status"]["assets"][0], content)
    other.settle(code=Code.CORRUPT, reason="The connection broke.")
    assert state(client, valves, session)["progressCount"] == {"total": 1, "succeeded": 1, "errored": 0}


def test_a_session_that_is_over_cannot_be_cancelled(ana: User, valves: Dataset) -> None:
    client, content = client_of(ana), cast.jpeg()
    session = opened(client, valves, ("a.jpg", content))
    put(session["status"]["assets"][0], content)
    told = sent(client, "POST", path(valves, f"{SESSIONS}/{session['assetIngestionSessionId']}:cancel"))
    [condition] = told.json()["status"]["conditions"]
    assert (condition["condition"], condition["status"]) == ("Finished", "Reached")


@pytest.mark.parametrize(("option", "left"), [("RemoveLinkedResource", 0), ("KeepLinkedResource", 1)])
def test_another_image_of_the_same_name_takes_its_place(ana: User, valves: Dataset, option: str, left: int) -> None:
    asset = cast.make_asset(valves, "a.jpg", image=cast.jpeg())
    cast.make_annotation(asset)
    client, content = client_of(ana), cast.jpeg(500, 400, color="red")
    put(opened(client, valves, ("a.jpg", content), onAssetOverwritten=option)["status"]["assets"][0], content)
    replaced = valves.assets.get()
    assert (replaced.uid, replaced.width, replaced.open_image().read()) == (asset.uid, 500, content)
    assert replaced.annotations.count() == left
    told = client.get(path(valves, f"/assets/{asset.uid}")).json()["metadata"]
    assert told["contentsLastUpdated"] > told["timeCreated"]
    assert not default_storage.exists(asset.file)
    if left:
        contents = parse(replaced.annotations.get().contents_normalized or "")
        assert isinstance(contents, PhraseGrounding)
        assert contents.grounded_phrases[0].bounds == [(0.2, 0.5, 0.6, 1.0)]


def test_the_same_bytes_again_lose_no_annotation(ana: User, valves: Dataset) -> None:
    client, content = client_of(ana), cast.jpeg()
    for _ in range(2):
        put(opened(client, valves, ("a.jpg", content))["status"]["assets"][0], content)
        asset = valves.assets.get()
        assert default_storage.exists(asset.file)
        if not asset.annotations.exists():
            cast.make_annotation(asset)
    assert asset.annotations.count() == 1


def test_an_image_that_annotations_wait_for_completes_its_asset(ana: User, valves: Dataset) -> None:
    asset = cast.make_asset(valves, "a.jpg", width=64, height=48)
    cast.make_annotation(asset)
    client, content, other = client_of(ana), cast.jpeg(), cast.jpeg(10, 10)
    told = put(opened(client, valves, ("a.jpg", other))["status"]["assets"][0], other).json()
    assert told["state"] == "refused"
    assert "64 x 48" in told["message"]
    put(opened(client, valves, ("a.jpg", content))["status"]["assets"][0], content)
    assert valves.assets.get().file
    assert asset.annotations.count() == 1


def test_a_slot_opens_only_as_it_was_signed(ana: User, valves: Dataset) -> None:
    content = cast.jpeg()
    session = opened(client_of(ana), valves, ("a.jpg", content), ("b.jpg", content))
    first, second = (slot["upload"]["url"] for slot in session["status"]["assets"])
    swapped = f"{urlsplit(second).path}?{urlsplit(first).query}"
    assert Client().put(swapped, content, content_type="image/jpeg").status_code == 403
    assert Client().put(urlsplit(first).path, content, content_type="image/jpeg").status_code == 403
    assert not valves.assets.exists()


def test_a_slot_closes_with_the_rights_of_its_maker(ana: User, valves: Dataset) -> None:
    key, text = key_of(ana)
    client, content = Client(headers={"Authorization": f"Bearer {text}"}), cast.jpeg()
    [slot] = opened(client, valves, ("a.jpg", content))["status"]["assets"]
    Membership.objects.filter(user=ana).update(role=Role.VIEWER)
    assert put(slot, content).status_code == 403
    Membership.objects.filter(user=ana).update(role=Role.EDITOR)
    key.revoke()
    assert put(slot, content).status_code == 403
    assert not valves.assets.exists()


def test_a_slot_of_a_deleted_dataset_is_gone(ana: User, valves: Dataset) -> None:
    content = cast.jpeg()
    [slot] = opened(client_of(ana), valves, ("a.jpg", content))["status"]["assets"]
    removal.remove_dataset(valves, by="Ana")
    assert put(slot, content).status_code == 404


@pytest.mark.parametrize(
    "spec",
    [
        {"assets": [{"filename": "", "size": 1}]},
        {"assets": [{"filename": "a.jpg", "size": -1}]},
        {"assets": [{"filename": "a.jpg", "size": 1, "crc32c": 2**40}]},
        {"onAssetOverwritten": "Explode"},
        {"failureMode": "Never"},
        {"assets": [{"filename": f"{n}.jpg", "size": 1} for n in range(5001)]},
    ],
)
def test_a_session_that_cannot_be_is_refused(ana: User, valves: Dataset, spec: dict[str, Any]) -> None:
    response = sent(client_of(ana), "POST", path(valves, SESSIONS), {"spec": spec})
    assert response.status_code == 400
    assert message(response)
    assert not IngestionSession.objects.exists()
