"""The API's ingestion sessions: images announced, sent to signed slots, and what became of each."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Annotated

from django.http import HttpRequest
from ninja import Path, Status

from datasets.api.addresses import DS, dataset_at, row_at
from datasets.api.metadata import checked_metadata
from datasets.api.schemas.ingestion import (
    AssetIn,
    IngestionIn,
    IngestionOut,
    IngestionPage,
    SlotOutcome,
    SlotUpload,
    ingestion_out,
    keeps_linked,
)
from datasets.api.signed_uploads import slot_opened
from datasets.models import Dataset, IngestionSession, IngestionSlot
from datasets.uploads import ingestion
from datasets.uploads.bodies import BodyRefused
from vi_portal.api import links
from vi_portal.api.auth import ApiRequest, require_edit
from vi_portal.api.errors import ApiError, not_found
from vi_portal.api.pages import DEFAULT_SIZE, PageSize, page_of
from vi_portal.api.routing import answers, router
from vi_portal.s3.failures import StoreFailed

log = logging.getLogger(__name__)

IS = DS + "/assetSources/managed/datature/default/assetIngestionSessions"
_SLOTS = "/api/uploads/images"
_FAILURE_MODES = ("FailAfterOne", "FailAfterAll")
#: A slot's address is good this long; its session may end sooner.
SLOT_LASTS = timedelta(hours=24)
MOST_LISTED = 100


@router.post(IS, response=answers(_201=IngestionOut, refusals=(403,)), exclude_none=True, tags=["Uploads"])
def open_ingestion(
    request: ApiRequest, organization_id: str, dataset_id: str, given: IngestionIn
) -> Status[IngestionOut]:
    """Announce images. Each gets a slot to be sent to.

    An image with the name of an asset replaces the asset's image; `onAssetOverwritten` says whether annotations stay.
    One that cannot be taken does not keep the others out, whatever `failureMode` says.
    """
    require_edit(request)
    dataset = dataset_at(request, dataset_id)
    spec = given.spec
    keep_linked = keeps_linked(spec.on_asset_overwritten)
    if keep_linked is None or spec.failure_mode not in _FAILURE_MODES:
        raise ApiError(400, "“onAssetOverwritten” or “failureMode” is not known. Leave it out for the default.")
    session = ingestion.open_session(
        dataset,
        user=request.auth.membership.user,
        announced=[_announced(each) for each in spec.assets],
        keep_linked=keep_linked,
        failure_mode=spec.failure_mode,
    )
    return Status(201, ingestion_out(session, dataset, upload_of=lambda slot: _upload(request, slot)))


# Before the address of a session, which would take “:cancel” for a part of its id.
@router.post(
    IS + "/{session_id}:cancel",
    response=answers(_200=IngestionOut, refusals=(403,)),
    exclude_none=True,
    tags=["Uploads"],
)
def cancel_ingestion(request: ApiRequest, organization_id: str, dataset_id: str, session_id: str) -> IngestionOut:
    """Close the session. Images that were stored stay."""
    require_edit(request)
    dataset = dataset_at(request, dataset_id)
    session = _session_at(dataset, session_id)
    session.cancel()
    return ingestion_out(session, dataset)


@router.get(IS, response=answers(_200=IngestionPage), exclude_none=True, tags=["Uploads"])
def list_ingestions(
    request: ApiRequest, organization_id: str, dataset_id: str, s: PageSize = DEFAULT_SIZE, p: str = ""
) -> IngestionPage:
    """The upload sessions of the dataset, oldest first, each with the images that were not taken. At most 100 come at a
    time."""
    dataset = dataset_at(request, dataset_id)
    rows = IngestionSession.objects.filter(dataset=dataset)
    found, next_page = page_of(rows, order=("created_at", "pk"), size=min(s, MOST_LISTED), token=p, fixed=True)
    return IngestionPage(items=[ingestion_out(each, dataset) for each in found], next_page=next_page)


@router.get(IS + "/{session_id}", response=answers(_200=IngestionOut), exclude_none=True, tags=["Uploads"])
def get_ingestion(request: ApiRequest, organization_id: str, dataset_id: str, session_id: str) -> IngestionOut:
    """How far the session is, and which images could not be taken. It is over when every slot is settled, or when
    nothing was heard of its client for some minutes."""
    dataset = dataset_at(request, dataset_id)
    session = _session_at(dataset, session_id)
    session.settle_if_over()
    return ingestion_out(session, dataset)


@router.put(
    _SLOTS + "/{slot_id}",
    auth=None,
    response=answers(_200=SlotOutcome, refusals=(403, 409, 410, 411)),
    openapi_extra=links.TAKES_A_FILE,
    tags=["Uploads"],
)
def fill_slot(request: HttpRequest, slot_id: Annotated[int, Path(ge=1, lt=2**63)]) -> SlotOutcome:
    """The bytes of one image, as they are. An image that arrived and was refused for what it is gets an answer that
    says so; sent again, it would be refused again."""
    slot = slot_opened(request, IngestionSlot.objects.all(), slot_id, subject=_subject(slot_id))
    try:
        ingestion.fill(slot, request)
    except BodyRefused as refusal:
        raise ApiError(refusal.status, refusal.message) from refusal
    except StoreFailed as error:
        log.warning("An image sent to slot %s could not be stored: %s", slot_id, error)
        raise ApiError(503, str(error)) from error
    except Dataset.DoesNotExist as error:
        raise not_found("dataset", str(slot.session.dataset_id)) from error
    return SlotOutcome(filename=slot.filename, state=slot.state, code=slot.code, message=slot.reason)


def _announced(given: AssetIn) -> ingestion.Announced:
    metadata = given.custom_metadata
    if metadata is not None:
        metadata = checked_metadata(metadata, what=f"The customMetadata of “{given.filename[:200]}”")
    return ingestion.Announced(given.filename, given.size, given.mime, given.kind, given.crc32c, metadata)


def _upload(request: ApiRequest, slot: IngestionSlot) -> SlotUpload:
    url, expiry = links.signed_url(
        request, f"{_SLOTS}/{slot.pk}", subject=_subject(slot.pk), key=request.auth, lasting=SLOT_LASTS
    )
    headers = {"Content-Type": slot.mime or "application/octet-stream"}
    return SlotUpload(url=url, headers=headers, expiry=expiry)


def _subject(slot_id: int) -> str:
    return f"upload of image {slot_id}"


def _session_at(dataset: Dataset, named: str) -> IngestionSession:
    return row_at(IngestionSession.objects.filter(dataset=dataset), named, what="upload session")
