"""The story of an ingestion session: opened with the names of its images, filled slot by slot, and over."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest

from datasets.models import Code, Dataset, IngestionSession, IngestionSlot, SlotState
from datasets.uploads import arrival, bodies
from datasets.uploads.bodies import BodyRefused, WrongSize
from vi_portal.accounts.models import User

_BATCH = 500


@dataclass(frozen=True, slots=True)
class Announced:
    """One image to come: `size` in bytes, `crc32c` signed, None where the sender did not compute it. `custom_metadata`
    is for the asset; None leaves that of an asset as it is."""

    filename: str
    size: int
    mime: str = ""
    kind: str = "Image"
    crc32c: int | None = None
    custom_metadata: dict[str, Any] | None = None


def open_session(
    dataset: Dataset, *, user: User, announced: Sequence[Announced], keep_linked: bool, failure_mode: str
) -> IngestionSession:
    """A session with a slot for each of `announced`; with none, it is over at once."""
    with transaction.atomic():
        session = IngestionSession.objects.create(
            dataset=dataset, user=user, keep_linked=keep_linked, failure_mode=failure_mode
        )
        IngestionSlot.objects.bulk_create(
            (
                IngestionSlot(
                    session=session,
                    filename=each.filename,
                    kind=each.kind,
                    mime=each.mime,
                    size=each.size,
                    crc32c=each.crc32c,
                    custom_metadata=each.custom_metadata,
                )
                for each in announced
            ),
            batch_size=_BATCH,
        )
    session.settle_if_over()
    return session


def fill(slot: IngestionSlot, request: HttpRequest) -> IngestionSlot:
    """Take the body of `request` for `slot`, and settle it: stored, or refused with a code.

    What arrives other than announced raises `BodyRefused` as well, and may be sent again while the session is open.
    An image that is refused for what it is does not: it arrived, and would be refused again.
    """
    _require_open(slot)
    if slot.state == SlotState.STORED:
        raise BodyRefused(409, f"“{slot.filename}” is already here.")
    with tempfile.TemporaryFile(dir=_folder()) as file:
        try:
            received = bodies.receive(request, file, size=slot.size, name=slot.filename, heard=slot.session.heard_from)
            if slot.crc32c is not None and bodies.signed(received.crc32c) != slot.crc32c:
                raise BodyRefused(
                    400, f"The bytes of “{slot.filename}” do not have the CRC32C announced. Send it again."
                )
        except BodyRefused as refusal:
            code = Code.BAD_SIZE if isinstance(refusal, WrongSize) else Code.CORRUPT
            slot.settle(code=code, reason=refusal.message)
            raise
        slot.session.refresh_from_db()  # it may have ended while the image was on its way
        _require_open(slot)
        try:
            arrival.take_image(
                slot.session.dataset,
                file,
                filename=slot.filename,
                declared=slot.mime,
                keep_linked=slot.session.keep_linked,
                custom_metadata=slot.custom_metadata,
            )
        except arrival.Refused as refused:
            slot.settle(code=refused.code, reason=refused.message)
        else:
            slot.settle()
    return slot


def _require_open(slot: IngestionSlot) -> None:
    """Raise `BodyRefused` where the session of `slot` is over."""
    if not slot.session.is_open:
        raise BodyRefused(409, f"The upload session is over, so “{slot.filename}” came too late. Start another.")


def _folder() -> Path:
    folder = Path(settings.UPLOAD_DIR)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
