"""Annotation import sessions on the wire."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from datasets.api.addresses import dataset_id, dataset_link
from datasets.models import Dataset, ImportJob, ImportSession
from vi_portal.api.etags import etag_of
from vi_portal.api.schemas import Condition, ResourceMetadata, WireSchema, milliseconds, resource_metadata
from vi_portal.jobs.models import State

SOURCE = "UploadedIndividualFiles"
MAX_FILES = 5000

PolicyName = Literal["Warn", "RejectFile", "RejectSession"]
#: Why a client gave up, in the only words its own answers may have.
Reason = Literal["CancelledByUser", "UserUploadErrored"]


class FailurePolicies(WireSchema):
    """What follows from a bad line, an unusable file, and an annotation that would be replaced: a warning, or that
    the file, or all files, are left out."""

    on_bad_annotation: PolicyName = "RejectSession"
    on_bad_file: PolicyName = "RejectSession"
    on_overwritten: PolicyName = "RejectSession"


class ImportSpecIn(WireSchema):
    upload_before: Annotated[int, Field(gt=0, lt=2**53)] | None = None
    failure_policies: FailurePolicies = Field(default_factory=FailurePolicies)
    source: str = SOURCE


class ImportAttributesIn(WireSchema):
    attributes: Annotated[dict[str, str], Field(max_length=100)] = Field(default_factory=dict)


class ImportIn(WireSchema):
    spec: ImportSpecIn = Field(default_factory=ImportSpecIn)
    metadata: ImportAttributesIn = Field(default_factory=ImportAttributesIn)


class FileIn(WireSchema):
    """A file to come: `sizeBytes`, and the CRC32C as base64 of its 4 bytes, the highest first."""

    size_bytes: Annotated[int, Field(ge=0, lt=2**63)]
    crc32c: Annotated[str, Field(max_length=20)] | None = None


class FilesIn(WireSchema):
    files: Annotated[dict[str, FileIn], Field(max_length=MAX_FILES)]


class FileUpload(WireSchema):
    method: str = "PUT"
    url: str
    headers: dict[str, str] = Field(default_factory=dict)


class FilesOut(WireSchema):
    files: dict[str, FileUpload]


class ConditionIn(WireSchema):
    condition: str
    status: Literal["Waiting", "Reached", "FailedReach"]
    reason: str | None = None


class StatusIn(WireSchema):
    conditions: list[ConditionIn]


class SpecChange(WireSchema):
    status: Literal["Cancelled"]


class StatusChange(WireSchema):
    """What became of the files (`status`), or that the import is to be cancelled (`spec`)."""

    status: StatusIn | None = None
    spec: SpecChange | None = None


class FileReceipt(WireSchema):
    """What arrived."""

    name: str
    size_bytes: int


class ReasonedCondition(Condition):
    reason: str | None = None


class FileCounts(WireSchema):
    page_count: int
    total_size_bytes: int
    status_count: dict[str, int]


class AnnotationCounts(WireSchema):
    status_count: dict[str, int]


class ImportSpecOut(WireSchema):
    upload_before: int
    failure_policies: FailurePolicies
    source: str = SOURCE


class ImportStatus(WireSchema):
    conditions: list[ReasonedCondition]
    files: FileCounts
    annotations: AnnotationCounts


class ImportOut(WireSchema):
    kind: str = "AnnotationImportSession"
    user: str
    workspace_id: str
    dataset_id: str
    annotation_import_session_id: str
    spec: ImportSpecOut
    status: ImportStatus
    metadata: ResourceMetadata
    self_link: str
    etag: str


class ImportPage(WireSchema):
    items: list[ImportOut]
    next_page: str | None = None


class ImportLogs(WireSchema):
    """What could not be used, a sentence each; the first of them."""

    items: list[str]


def import_out(session: ImportSession, dataset: Dataset) -> ImportOut:
    """The wire's view of `session`."""
    job = ImportJob.objects.filter(session=session).first()
    files = list(session.files.values_list("size", "is_here"))
    here = sum(is_here for _, is_here in files)
    updated = (job and (job.finished_at or job.created_at)) or session.inserted_at or session.created_at
    return ImportOut(
        user=session.user.username if session.user else "",
        workspace_id=str(dataset.organization_id),
        dataset_id=dataset_id(dataset),
        annotation_import_session_id=str(session.pk),
        spec=ImportSpecOut(
            upload_before=milliseconds(session.upload_before),
            failure_policies=FailurePolicies.model_validate(
                {
                    "on_bad_annotation": session.on_bad_annotation,
                    "on_bad_file": session.on_bad_file,
                    "on_overwritten": session.on_overwritten,
                }
            ),
        ),
        status=ImportStatus(
            conditions=_conditions(session, job),
            files=FileCounts(
                page_count=len(files),
                total_size_bytes=sum(size for size, _ in files),
                status_count={"Uploaded": here, "Waiting": len(files) - here},
            ),
            annotations=AnnotationCounts(status_count=_annotations(job)),
        ),
        metadata=resource_metadata(created=session.created_at, updated=updated, attributes=session.attributes),
        self_link=f"{dataset_link(dataset)}/annotationImportSessions/{session.pk}",
        etag=etag_of(session.pk, session.inserted_at, session.given_up, job and (job.state, job.percent)),
    )


def _conditions(session: ImportSession, job: ImportJob | None) -> list[ReasonedCondition]:
    """Newest first. The name of a failed condition is all that its client's user gets to read."""
    if job is None:
        return _before_the_job(session)
    inserted = _condition("FilesInserted", "Reached", session.inserted_at)
    if job.state == State.FAILED:
        return [_condition(job.failure or "Import failed", "FailedReach", job.finished_at), inserted]
    status = "Reached" if job.state == State.FINISHED else "Waiting"
    return [_condition("Complete", status, job.finished_at or job.created_at), inserted]


def _before_the_job(session: ImportSession) -> list[ReasonedCondition]:
    waiting = _condition("Complete", "Waiting", session.created_at)
    if session.given_up:
        failed = _condition("FilesInserted", "FailedReach", session.created_at)
        return [waiting, failed.model_copy(update={"reason": session.given_up})]
    if not session.is_open:
        return [waiting, _condition("Files did not arrive in time", "FailedReach", session.upload_before)]
    return [waiting, _condition("FilesInserted", "Waiting", session.created_at)]


def _condition(name: str, status: str, moment: Any) -> ReasonedCondition:
    return ReasonedCondition(condition=name, status=status, last_transition_time=milliseconds(moment))


def _annotations(job: ImportJob | None) -> dict[str, int]:
    """What is in the dataset now, by how it came there. The client adds these up as what was imported."""
    counted = job.summary.get("annotations", {}) if job is not None else {}
    words = {"created": "Created", "updated": "Updated", "already_there": "Unchanged"}
    return {word: counted[key] for key, word in words.items() if counted.get(key)}
