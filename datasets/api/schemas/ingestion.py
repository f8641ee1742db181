"""Ingestion sessions on the wire."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from django.db.models import Count
from pydantic import Field

from datasets.api.addresses import dataset_id, dataset_link
from datasets.models import Dataset, IngestionSession, IngestionSlot, SlotState
from vi_portal.api.etags import etag_of
from vi_portal.api.schemas import Condition, ResourceMetadata, WireSchema, milliseconds, resource_metadata

SOURCE = ("managed", "datature", "default")
MAX_FILES = 5000
#: How many images that were not taken one answer names.
MAX_NAMED = 5000
_VALUE = {"anyOf": [{"type": "string"}, {"type": "number"}, {"type": "boolean"}]}


class AssetIn(WireSchema):
    """An image to come: `size` in bytes, `crc32c` as a signed 32-bit integer. `customMetadata` is kept with the
    asset, in place of what is there; null leaves that."""

    filename: Annotated[str, Field(min_length=1, max_length=1024, pattern=r"^[^\x00]*$")]
    kind: Annotated[str, Field(max_length=20)] = "Image"
    mime: Annotated[str, Field(max_length=255)] = ""
    size: Annotated[int, Field(ge=0, lt=2**63)]
    crc32c: Annotated[int, Field(ge=-(2**31), lt=2**31)] | None = None
    custom_metadata: Annotated[dict[str, Any], Field(json_schema_extra={"additionalProperties": _VALUE})] | None = None


class IngestionSpecIn(WireSchema):
    kind: str = "Upload"
    failure_mode: str = "FailAfterOne"
    on_asset_overwritten: str = "RemoveLinkedResource"
    assets: Annotated[list[AssetIn], Field(max_length=MAX_FILES)] = Field(default_factory=list)


class IngestionIn(WireSchema):
    spec: IngestionSpecIn


class IngestionSpecOut(WireSchema):
    kind: str = "Upload"
    failure_mode: str
    on_asset_overwritten: str


class SlotUpload(WireSchema):
    """Where the bytes go, with PUT and no key, before `expiry`."""

    url: str
    method: str = "PUT"
    headers: dict[str, str]
    expiry: int


class SlotMetadata(WireSchema):
    kind: str
    filename: str
    mime: str
    size: int
    crc32c: int | None = None
    custom_metadata: dict[str, str | bool | int | float] | None = None


class SlotOut(WireSchema):
    metadata: SlotMetadata
    upload: SlotUpload


class ProgressCount(WireSchema):
    total: int
    succeeded: int
    errored: int


class ErrorEvent(WireSchema):
    """The images that were not taken, each with its code."""

    kind: str = "Error"
    files: dict[str, str]
    corrections: dict[str, Any] = Field(default_factory=dict)
    time: int


class IngestionStatus(WireSchema):
    conditions: list[Condition]
    events: list[ErrorEvent]
    progress_count: ProgressCount
    assets: list[SlotOut] | None = None


class IngestionOut(WireSchema):
    kind: str = "AssetIngestionSession"
    workspace_id: str
    dataset_id: str
    asset_source_class: str
    asset_source_provider: str
    asset_source_id: str
    asset_ingestion_session_id: str
    ingestion_id: str
    spec: IngestionSpecOut
    status: IngestionStatus
    metadata: ResourceMetadata
    self_link: str
    etag: str


class IngestionPage(WireSchema):
    items: list[IngestionOut]
    next_page: str | None = None


class SlotOutcome(WireSchema):
    """What became of an image: `stored`, or `refused` with a code and a sentence."""

    filename: str
    state: str
    code: str = ""
    message: str = ""


def keeps_linked(word: str) -> bool | None:
    """Whether annotations of replaced images stay; None for a word that is not known. The client leaves out an s."""
    return {
        "RemoveLinkedResource": False,
        "RemoveLinkedResources": False,
        "KeepLinkedResource": True,
        "KeepLinkedResources": True,
    }.get(word)


def ingestion_out(
    session: IngestionSession, dataset: Dataset, *, upload_of: Callable[[IngestionSlot], SlotUpload] | None = None
) -> IngestionOut:
    """The wire's view of `session`; with `upload_of`, its slots with their addresses."""
    counts = dict(session.slots.order_by().values_list("state").annotate(Count("pk")))
    stored, refused = counts.get(SlotState.STORED, 0), counts.get(SlotState.REFUSED, 0)
    done = ProgressCount(total=sum(counts.values()), succeeded=stored, errored=refused)
    link = f"{dataset_link(dataset)}/assetSources/{'/'.join(SOURCE)}/assetIngestionSessions/{session.pk}"
    return IngestionOut(
        workspace_id=str(dataset.organization_id),
        dataset_id=dataset_id(dataset),
        asset_source_class=SOURCE[0],
        asset_source_provider=SOURCE[1],
        asset_source_id=SOURCE[2],
        asset_ingestion_session_id=str(session.pk),
        ingestion_id=str(session.pk),
        spec=IngestionSpecOut(
            failure_mode=session.failure_mode,
            on_asset_overwritten="KeepLinkedResources" if session.keep_linked else "RemoveLinkedResource",
        ),
        status=IngestionStatus(
            conditions=[_condition(session)],
            events=_events(session) if refused else [],
            progress_count=done,
            assets=None if upload_of is None else [_slot(each, upload_of) for each in session.slots.order_by("pk")],
        ),
        metadata=resource_metadata(created=session.created_at, updated=session.active_at),
        self_link=link,
        etag=etag_of(session.pk, session.finished_at, stored, refused),
    )


def _condition(session: IngestionSession) -> Condition:
    # Of what failed, a client shows nothing but the condition's name.
    name = "Cancelled: images that had arrived before stay" if session.cancelled else "Finished"
    status = "Waiting" if session.is_open else "FailedReach" if session.cancelled else "Reached"
    moment = session.finished_at or session.created_at
    return Condition(condition=name, status=status, last_transition_time=milliseconds(moment))


def _events(session: IngestionSession) -> list[ErrorEvent]:
    refused = session.slots.filter(state=SlotState.REFUSED).order_by("pk").values_list("filename", "code")
    return [ErrorEvent(files=dict(refused[:MAX_NAMED]), time=milliseconds(session.active_at))]


def _slot(slot: IngestionSlot, upload_of: Callable[[IngestionSlot], SlotUpload]) -> SlotOut:
    told = SlotMetadata(
        kind=slot.kind,
        filename=slot.filename,
        mime=slot.mime,
        size=slot.size,
        crc32c=slot.crc32c,
        custom_metadata=slot.custom_metadata,
    )
    return SlotOut(metadata=told, upload=upload_of(slot))
