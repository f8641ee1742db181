"""An import session from its opening to its job: files are announced, sent, and handed to a worker."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import IO

from django.db import transaction
from django.db.models.functions import Now
from django.http import HttpRequest
from django.utils import timezone

from datasets.imports import kept_files
from datasets.imports.files import FoundFile
from datasets.models import Dataset, ImportFile, ImportJob, ImportSession, Policy
from datasets.uploads import bodies
from datasets.uploads.bodies import BodyRefused
from vi_portal.accounts.models import User
from vi_portal.jobs.models import Refused

#: A session is open for its files this long at most, whatever its client asks for.
LONGEST = timedelta(hours=24)
_COPIED = 1024 * 1024
_BATCH = 500


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
    slots = [ImportFile(session=session, name=each.name, size=each.size, crc32c=each.crc32c) for each in files]
    with transaction.atomic():
        _hold_open(session)
        return ImportFile.objects.bulk_create(
            slots,
            batch_size=_BATCH,
            update_conflicts=True,
            unique_fields=["session", "name"],
            update_fields=["size", "crc32c", "is_here"],
        )


def receive(slot: ImportFile, request: HttpRequest) -> None:
    """Take the body of `request` as the file of `slot`. Raises `SessionRefused`, `BodyRefused` or `StoreFailed`."""
    _require_open(slot.session)
    with kept_files.arriving(slot) as file:
        received = bodies.receive(request, file, size=slot.size, name=slot.name)
        if slot.crc32c is not None and received.crc32c != slot.crc32c:
            raise BodyRefused(400, f"The bytes of “{slot.name}” do not have the CRC32C announced. Send it again.")
        _keep(slot, file)


def add_file(session: ImportSession, name: str, file: IO[bytes]) -> None:
    """Put a file that is at hand already into `session`. Raises `StoreFailed`."""
    slot = ImportFile.objects.create(session=session, name=name, size=0)
    with kept_files.arriving(slot) as copy:
        shutil.copyfileobj(file, copy, _COPIED)
        size = copy.tell()
        kept_files.keep(slot, copy)
    ImportFile.objects.filter(pk=slot.pk).update(size=size, is_here=True)


def start(session: ImportSession) -> ImportJob:
    """All files are here: queue the job that reads them. Asked again, it is the same job. Raises `SessionRefused`."""
    with transaction.atomic():
        waiting = ImportSession.objects.filter(pk=session.pk, inserted_at=None, given_up="")
        if waiting.update(inserted_at=Now()):
            files = _all_here(session)
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


def cancel(session: ImportSession, *, by: str) -> None:
    """End the session, or its job if that has begun; what was written stays. Raises `SessionRefused` if it is over."""
    job = ImportJob.objects.filter(session=session).first()
    if job is None:
        give_up(session, reason="CancelledByUser")
        return
    try:
        job.cancel(by=by)
    except Refused as error:
        raise SessionRefused("This import is over, so it cannot be cancelled.") from error


def files_of(session: ImportSession) -> list[FoundFile]:
    """The files of `session` that are here, in the order they were announced. Raises as `kept_files.fetched` does."""
    return kept_files.fetched(list(session.files.filter(is_here=True).order_by("pk")))


def _keep(slot: ImportFile, file: IO[bytes]) -> None:
    """Let what arrived in `file` be that of `slot`.

    Raises `StoreFailed`, or `SessionRefused` where it is not waited for any more.
    """
    on_store = kept_files.are_on_store()
    if on_store:  # before anything is locked: a store takes its time
        kept_files.keep(slot, file)
    with transaction.atomic():
        _hold_open(slot.session)
        # What was checked on the way is what was announced then.
        announced = ImportFile.objects.filter(pk=slot.pk, size=slot.size, crc32c=slot.crc32c)
        if not announced.update(is_here=True):
            raise SessionRefused(f"“{slot.name}” was announced anew while it was being sent. Send it again.")
        if not on_store:
            kept_files.keep(slot, file)


def _all_here(session: ImportSession) -> list[ImportFile]:
    """The files of `session`. Raises `SessionRefused` where one has not arrived."""
    files = list(session.files.order_by("pk"))
    missing = next((file.name for file in files if not file.is_here), None)
    if missing is not None:
        raise SessionRefused(
            f"“{missing}” was announced but has not arrived. Send it, then say again that all is here."
        )
    return files


def _hold_open(session: ImportSession) -> None:
    """Keep `session` from beginning, or ending, until the transaction is over. Raises `SessionRefused`."""
    held = ImportSession.objects.select_for_update().filter(pk=session.pk).first()
    _require_open(held or session)


def _require_open(session: ImportSession) -> None:
    if not session.is_open:
        raise SessionRefused("This import takes no more files: it has begun, was given up, or its time is over.")
