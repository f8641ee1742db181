"""An import session from its opening to its job: files are announced, sent, and handed to a worker."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO

from django.db import transaction
from django.db.models.functions import Now
from django.http import HttpRequest
from django.utils import timezone

from datasets import names
from datasets.imports.files import FoundFile
from datasets.models import Dataset, ImportFile, ImportJob, ImportSession, Policy
from datasets.uploads import bodies
from datasets.uploads.bodies import BodyRefused
from vi_portal.accounts.models import User

#: A session is open for its files this long at most, whatever its client asks for.
LONGEST = timedelta(hours=24)
_COPIED = 1024 * 1024


class SessionRefused(ValueError):
    """The session cannot go on as asked; the message is a sentence."""


@dataclass(frozen=True, slots=True)
class Policies:
    """What follows from what the sender may not have meant."""

    on_bad_annotation: Policy = Policy.WARN
    on_bad_file: Policy = Policy.WARN
    on_overwritten: Policy = Policy.WARN


@dataclass(frozen=True, slots=True)
class Announced:
    """A file to come: `size` in bytes, `crc32c` unsigned, None where the sender did not compute it."""

    name: str
    size: int
    crc32c: int | None = None


def open_session(
    dataset: Dataset,
    *,
    user: User,
    policies: Policies,
    upload_before: datetime | None = None,
    attributes: Mapping[str, str] | None = None,
) -> ImportSession:
    """A session that takes files until `upload_before`."""
    latest = timezone.now() + LONGEST
    return ImportSession.objects.create(
        dataset=dataset,
        user=user,
        on_bad_annotation=policies.on_bad_annotation,
        on_bad_file=policies.on_bad_file,
        on_overwritten=policies.on_overwritten,
        attributes=dict(attributes or {}),
        upload_before=min(upload_before or latest, latest),
    )


def announce(session: ImportSession, files: Sequence[Announced]) -> list[ImportFile]:
    """Slots for `files`, in order; a file announced again gets its slot anew. Raises `SessionRefused`."""
    _require_open(session)
    slots = []
    with transaction.atomic():
        for file in files:
            changes = {"size": file.size, "crc32c": file.crc32c, "is_here": False}
            slot, _ = ImportFile.objects.update_or_create(session=session, name=file.name, defaults=changes)
            slots.append(slot)
    return slots


def receive(slot: ImportFile, request: HttpRequest) -> None:
    """Take the body of `request` as the file of `slot`. Raises `SessionRefused` or `BodyRefused`."""
    _require_open(slot.session)
    path = path_of(slot)
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.parent / f".{uuid.uuid4().hex}"
    try:
        with aside.open("wb") as file:
            received = bodies.receive(request, file, size=slot.size, name=slot.name)
        if slot.crc32c is not None and received.crc32c != slot.crc32c:
            raise BodyRefused(400, f"The bytes of “{slot.name}” do not have the CRC32C announced. Send it again.")
        aside.rename(path)
    finally:
        aside.unlink(missing_ok=True)
    ImportFile.objects.filter(pk=slot.pk).update(is_here=True)


def add_file(session: ImportSession, name: str, file: IO[bytes]) -> None:
    """Put a file that is at hand already into `session`."""
    slot = ImportFile.objects.create(session=session, name=name, size=0)
    path = path_of(slot)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as copy:
        shutil.copyfileobj(file, copy, _COPIED)
        size = copy.seek(0, os.SEEK_END)
    ImportFile.objects.filter(pk=slot.pk).update(size=size, is_here=True)


def start(session: ImportSession) -> ImportJob:
    """All files are here: queue the job that reads them. Asked again, it is the same job. Raises `SessionRefused`."""
    files = list(session.files.order_by("pk"))
    missing = [file.name for file in files if not file.is_here]
    if missing and session.inserted_at is None:
        raise SessionRefused(
            f"“{missing[0]}” was announced but has not arrived. Send it, then say again that all is here."
        )
    with transaction.atomic():
        waiting = ImportSession.objects.filter(pk=session.pk, inserted_at=None, given_up="")
        if waiting.update(inserted_at=Now()):
            size = sum(file.size for file in files)
            job = ImportJob.objects.create(
                dataset_id=session.dataset_id,
                user=session.user,
                requested_by=session.user.display_name if session.user else "",
                session=session,
                files=len(files),
                size=size,
                workload=size,
                large=size >= ImportJob.large_from,
            )
            transaction.on_commit(job.ring)
    session.refresh_from_db()
    started = ImportJob.objects.filter(session=session).first()
    if started is None:
        raise SessionRefused("This import was given up by its sender. Start another.")
    return started


def give_up(session: ImportSession, *, reason: str) -> None:
    """The sender will not send the rest; the session ends without a job. Raises `SessionRefused` if it has one."""
    waiting = ImportSession.objects.filter(pk=session.pk, inserted_at=None)
    if not waiting.update(given_up=reason):
        raise SessionRefused(
            "All files of this import are here already, and it has begun. Cancel it in the job history."
        )
    session.refresh_from_db()


def files_of(session: ImportSession) -> list[FoundFile]:
    """The files of `session` that are here, in the order they were announced."""
    slots = session.files.filter(is_here=True).order_by("pk")
    return [FoundFile(path_of(slot).parent, path_of(slot).name) for slot in slots]


def path_of(slot: ImportFile) -> Path:
    """Where the file of `slot` lies: under a safe name, in a folder of its own.

    What is not called `.jsonl` is called `.json`, under which a reader looks for either.
    """
    name = names.member_name(slot.name)
    if names.split_extension(name)[1].lower() not in (".json", ".jsonl"):
        name = f"{name}.json"
    return slot.session.folder / str(slot.pk) / name


def _require_open(session: ImportSession) -> None:
    if not session.is_open:
        raise SessionRefused("This import takes no more files: it has begun, was given up, or its time is over.")
