"""An ingestion session: the images a client announced, and what became of each.

A session ends when every slot is settled. One that its client has abandoned ends by itself: slots that stay empty
for UPLOAD_QUIET_SECONDS after the last sign of life are given up.
"""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from vi_portal.accounts.models import User


class SlotState(models.TextChoices):
    """Where a slot stands; all but the first are settled."""

    WAITING = "waiting"
    STORED = "stored"
    REFUSED = "refused"


class Code(models.TextChoices):
    """Why an image was not taken, in the words of the vendor's client."""

    BAD_TYPE = "EBADMIME"
    BAD_SIZE = "EBADSIZE"
    CORRUPT = "ECORRUPT"
    TIMEOUT = "ETIMEOUT"
    UNKNOWN = "EUNKNOWN"


class IngestionSession(models.Model):
    """Images on their way into one dataset. `keep_linked` keeps the annotations of an asset whose image is replaced."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    dataset = models.ForeignKey("datasets.Dataset", models.CASCADE, related_name="ingestion_sessions")
    user = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    failure_mode = models.CharField(max_length=20, default="FailAfterOne")
    keep_linked = models.BooleanField(default=False)
    cancelled = models.BooleanField(default=False)
    created_at = models.DateTimeField(db_default=Now())
    active_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["active_at"], name="ingestion_open", condition=Q(finished_at=None)),
        ]

    def __str__(self) -> str:
        return f"Ingestion of {self.created_at:%Y-%m-%d %H:%M}"

    @property
    def is_open(self) -> bool:
        return self.finished_at is None

    def heard_from(self) -> None:
        """Note a sign of life of the client."""
        IngestionSession.objects.filter(pk=self.pk).update(active_at=Now())

    def settle_if_over(self) -> None:
        """Finish the session if nothing is left to wait for, or nobody to wait for."""
        quiet = timedelta(seconds=settings.UPLOAD_QUIET_SECONDS)
        session = IngestionSession.objects.filter(pk=self.pk, finished_at=None)
        if session.filter(active_at__lt=Now() - quiet).exists():
            self.slots.filter(state=SlotState.WAITING).update(state=SlotState.REFUSED, code=Code.TIMEOUT)
        if not self.slots.filter(state=SlotState.WAITING).exists():
            session.update(finished_at=Now())
        self.refresh_from_db()

    def cancel(self) -> None:
        """Close the session, unless it is over already; what was stored stays."""
        self.settle_if_over()
        if IngestionSession.objects.filter(pk=self.pk, finished_at=None).update(finished_at=Now(), cancelled=True):
            self.slots.filter(state=SlotState.WAITING).update(state=SlotState.REFUSED, code=Code.TIMEOUT)
        self.refresh_from_db()

    @classmethod
    def settle_abandoned(cls) -> None:
        """Finish what no client comes back for. The sweep calls it."""
        quiet = timedelta(seconds=settings.UPLOAD_QUIET_SECONDS)
        for session in cls.objects.filter(finished_at=None, active_at__lt=Now() - quiet)[:100]:
            session.settle_if_over()

    @classmethod
    def forget_old(cls) -> None:
        """Delete what has been over for EXPORT_RETENTION_DAYS; the images stay. The sweep calls it."""
        cls.objects.filter(finished_at__lt=Now() - timedelta(days=settings.EXPORT_RETENTION_DAYS)).delete()


class IngestionSlot(models.Model):
    """A place for one image: what was announced, and what became of it. `size` in bytes; `crc32c` signed;
    `custom_metadata` is for the asset, None where nothing was said about it."""

    session = models.ForeignKey(IngestionSession, models.CASCADE, related_name="slots", db_index=False)
    filename = models.CharField(max_length=1024)
    kind = models.CharField(max_length=20, default="Image")
    mime = models.CharField(max_length=255, blank=True)
    size = models.PositiveBigIntegerField()
    crc32c = models.IntegerField(null=True)
    custom_metadata = models.JSONField(null=True)
    state = models.CharField(max_length=10, choices=SlotState.choices, default=SlotState.WAITING)
    code = models.CharField(max_length=20, blank=True)
    reason = models.CharField(max_length=500, blank=True)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["session", "state"], name="slot_by_state")]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(state__in=SlotState.values), name="slot_state_known"),
        ]

    def __str__(self) -> str:
        return self.filename

    def settle(self, *, code: str = "", reason: str = "") -> None:
        """Note what became of the image: stored, or refused with `code`. One that is stored stays so."""
        state = SlotState.REFUSED if code else SlotState.STORED
        slot = IngestionSlot.objects.filter(pk=self.pk)
        if code:  # it may have been sent twice at once
            slot = slot.exclude(state=SlotState.STORED)
        slot.update(state=state, code=code, reason=reason[:500])
        self.session.heard_from()
        self.refresh_from_db()
