"""Bytes that come to a signed address: what images and annotation files have in common."""

from __future__ import annotations

from typing import TypeVar

from django.db.models import QuerySet
from django.http import HttpRequest

from datasets.models import ImportFile, IngestionSlot
from vi_portal.api import links
from vi_portal.api.errors import ApiError, not_found

Slot = TypeVar("Slot", ImportFile, IngestionSlot)


def slot_opened(request: HttpRequest, slots: QuerySet[Slot], number: int, *, subject: str) -> Slot:
    """The slot `number` of `slots`, which the address of `request` was signed for as `subject`.

    Raises `ApiError`: 403 where the key behind the address may no longer fill it, 404 for what is not there, and as
    `links.opened` does.
    """
    key = links.opened(request, subject=subject)
    membership = key.membership
    slot = slots.filter(pk=number).select_related("session__dataset").first()
    if slot is None or slot.session.dataset.organization_id != membership.organization_id:
        raise not_found("upload", str(number))
    if slot.session.dataset.deleted_at is not None:
        raise not_found("dataset", str(slot.session.dataset_id))
    if key.read_only or not membership.may_edit:
        raise ApiError(403, "The key this link was made by may no longer change datasets.")
    return slot
