"""The API's annotation imports: a session opened, files announced and sent, and the job that reads them."""

from __future__ import annotations

import base64
import binascii
import logging
from datetime import UTC, datetime, timedelta
from typing import Annotated, get_args

from django.http import HttpRequest, HttpResponse
from ninja import Path, Status

from datasets.api.addresses import DS, dataset_at, row_at
from datasets.api.metadata import merged
from datasets.api.schemas.import_files import FilesSample, files_sample
from datasets.api.schemas.imports import (
    FileReceipt,
    FilesIn,
    FilesOut,
    FileUpload,
    ImportIn,
    ImportLogs,
    ImportOut,
    ImportPage,
    Reason,
    StatusChange,
    import_out,
)
from datasets.api.signed_uploads import slot_opened
from datasets.imports import sessions
from datasets.imports.sessions import Announced, Policies, SessionRefused
from datasets.models import Dataset, ImportFile, ImportJob, ImportSession, Policy
from datasets.uploads.bodies import BodyRefused
from vi_portal.api import links
from vi_portal.api.auth import ApiRequest, require_edit
from vi_portal.api.errors import ApiError, not_found
from vi_portal.api.held import held_back
from vi_portal.api.pages import DEFAULT_SIZE, MAX_SIZE, PageSize, page_of
from vi_portal.api.routing import answers, router
from vi_portal.jobs.waiting import wait_for_end
from vi_portal.s3.failures import StoreFailed

log = logging.getLogger(__name__)

IMP = DS + "/annotationImportSessions"
_FILES = "/api/uploads/annotations"
#: How long an answer waits for the job: a small import is over when its files have been handed in.
HANDED_IN_SECONDS = 5.0
POLLED_SECONDS = 25.0
_REASONS: tuple[Reason, ...] = get_args(Reason)
MAX_NAME = 1024


@router.post(IMP, response=answers(_201=ImportOut, refusals=(403,)), exclude_none=True, tags=["Imports"])
def open_import(request: ApiRequest, organization_id: str, dataset_id: str, given: ImportIn) -> Status[ImportOut]:
    """Open a session for annotation files. `RejectSession` means all or nothing, as far as the files decide."""
    require_edit(request)
    dataset = dataset_at(request, dataset_id)
    policies, before = given.spec.failure_policies, given.spec.upload_before
    session = sessions.open_session(
        dataset,
        user=request.auth.membership.user,
        policies=Policies(
            Policy(policies.on_bad_annotation), Policy(policies.on_bad_file), Policy(policies.on_overwritten)
        ),
        upload_before=_moment(before) if before else None,
        attributes=merged({}, given.metadata.attributes, what="The import's metadata.attributes"),
    )
    session.refresh_from_db()
    return Status(201, import_out(session, dataset))


@router.get(IMP, response=answers(_200=ImportPage), exclude_none=True, tags=["Imports"])
def list_imports(
    request: ApiRequest, organization_id: str, dataset_id: str, s: PageSize = DEFAULT_SIZE, p: str = ""
) -> ImportPage:
    """The import sessions of the dataset, oldest first."""
    dataset = dataset_at(request, dataset_id)
    rows = ImportSession.objects.filter(dataset=dataset).select_related("user")
    found, next_page = page_of(rows, order=("created_at", "pk"), size=min(s, MAX_SIZE), token=p, fixed=True)
    return ImportPage(items=[import_out(each, dataset) for each in found], next_page=next_page)


@router.get(
    IMP + "/{session_id}", response=answers(_200=ImportOut, _307=ImportOut), exclude_none=True, tags=["Imports"]
)
def get_import(
    request: ApiRequest, response: HttpResponse, organization_id: str, dataset_id: str, session_id: str
) -> Status[ImportOut]:
    """How far the import is. While its job is on its way the answer is held back, for 25 s; then it sends the client
    here again, ten times in a row."""
    dataset = dataset_at(request, dataset_id)
    session = _session_at(dataset, session_id)
    job = ImportJob.objects.filter(session=session).first()
    try:
        status = 200 if job is None else held_back(request, response, job, seconds=POLLED_SECONDS)
    except ImportJob.DoesNotExist as error:
        raise not_found("annotation import", session_id) from error
    return Status(status, import_out(session, dataset))


@router.get(IMP + "/{session_id}/logs", response=answers(_200=ImportLogs), tags=["Imports"])
def get_import_logs(request: ApiRequest, organization_id: str, dataset_id: str, session_id: str) -> ImportLogs:
    """What could not be used of the files, by file and line."""
    session = _session_at(dataset_at(request, dataset_id), session_id)
    job = ImportJob.objects.filter(session=session).first()
    return ImportLogs(items=[] if job is None else [*([job.failure] if job.failure else []), *job.problems])


@router.get(IMP + "/{session_id}/filesSample", response=answers(_200=FilesSample), tags=["Imports"])
def get_files_sample(request: ApiRequest, organization_id: str, dataset_id: str, session_id: str) -> FilesSample:
    """The first files that were announced: whether each is here, and what could not be used of it."""
    return files_sample(_session_at(dataset_at(request, dataset_id), session_id))


@router.post(IMP + "/{session_id}/files", response=answers(_200=FilesOut, refusals=(403, 409)), tags=["Imports"])
def announce_files(
    request: ApiRequest, organization_id: str, dataset_id: str, session_id: str, given: FilesIn
) -> FilesOut:
    """Announce files by name. Each gets an address to be sent to."""
    require_edit(request)
    session = _session_at(dataset_at(request, dataset_id), session_id)
    announced = [Announced(_name(name), file.size_bytes, _crc(file.crc32c)) for name, file in given.files.items()]
    try:
        slots = sessions.announce(session, announced)
    except SessionRefused as error:
        raise ApiError(409, str(error)) from error
    return FilesOut(files={slot.name: FileUpload(url=_url(request, slot)) for slot in slots})


@router.patch(
    IMP + "/{session_id}/status",
    response=answers(_200=ImportOut, refusals=(403, 409)),
    exclude_none=True,
    tags=["Imports"],
)
def change_import_status(
    request: ApiRequest, organization_id: str, dataset_id: str, session_id: str, given: StatusChange
) -> ImportOut:
    """Say that all files are here (`FilesInserted` is `Reached`), or that they will not come (`FailedReach`).

    `{"spec": {"status": "Cancelled"}}` cancels the import: what its job has written stays.
    """
    require_edit(request)
    dataset = dataset_at(request, dataset_id)
    session = _session_at(dataset, session_id)
    try:
        if given.spec is not None:
            sessions.cancel(session, by=request.auth.membership.user.display_name)
        else:
            _follow(session, given)
    except SessionRefused as error:
        raise ApiError(409, str(error)) from error
    except ImportJob.DoesNotExist as error:
        raise not_found("annotation import", session_id) from error
    return import_out(session, dataset)


@router.put(
    _FILES + "/{file_id}",
    auth=None,
    response=answers(_200=FileReceipt, refusals=(403, 409, 410, 411)),
    openapi_extra=links.TAKES_A_FILE,
    tags=["Imports"],
)
def receive_file(request: HttpRequest, file_id: Annotated[int, Path(ge=1, lt=2**63)]) -> FileReceipt:
    """The bytes of one annotation file, as they are."""
    slot = slot_opened(request, ImportFile.objects.all(), file_id, subject=_subject(file_id))
    try:
        sessions.receive(slot, request)
    except StoreFailed as error:
        log.warning("A file sent to slot %s could not be stored: %s", file_id, error)
        raise ApiError(503, str(error)) from error
    except BodyRefused as refusal:
        raise ApiError(refusal.status, refusal.message) from refusal
    except SessionRefused as error:
        raise ApiError(409, str(error)) from error
    return FileReceipt(name=slot.name, size_bytes=slot.size)


def _follow(session: ImportSession, given: StatusChange) -> None:
    """Do what the sender of the files says of them."""
    conditions = given.status.conditions if given.status else []
    told = next((each for each in conditions if each.condition == "FilesInserted"), None)
    if told is None or told.status == "Waiting":
        raise ApiError(400, "Only “FilesInserted” can be told, as “Reached” or “FailedReach”.")
    if told.status == "Reached":
        wait_for_end(sessions.start(session), seconds=HANDED_IN_SECONDS)
    else:
        sessions.give_up(session, reason=told.reason if told.reason in _REASONS else "UserUploadErrored")


def _url(request: ApiRequest, slot: ImportFile) -> str:
    url, _ = links.signed_url(
        request, f"{_FILES}/{slot.pk}", subject=_subject(slot.pk), key=request.auth, lasting=sessions.LONGEST
    )
    return url


def _subject(file_id: int) -> str:
    return f"upload of annotations {file_id}"


def _moment(milliseconds: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=min(milliseconds, 2**47))


def _name(given: str) -> str:
    if not 0 < len(given) <= MAX_NAME or "\x00" in given:
        raise ApiError(400, f"A file name must have 1 to {MAX_NAME:,} characters.")
    return given


def _crc(given: str | None) -> int | None:
    """A CRC32C from base64 of its 4 bytes, the highest first."""
    if given is None:
        return None
    try:
        raw = base64.b64decode(given, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ApiError(400, "A “crc32c” must be base64 of 4 bytes.") from error
    if len(raw) != 4:
        raise ApiError(400, "A “crc32c” must be base64 of 4 bytes.")
    return int.from_bytes(raw, "big")


def _session_at(dataset: Dataset, named: str) -> ImportSession:
    return row_at(ImportSession.objects.filter(dataset=dataset).select_related("user"), named, what="annotation import")
