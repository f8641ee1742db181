"""An import session collects annotation files; the import job reads them.

A session is open until its client says that all files are there, or that it gave up. The job is in the same history
as exports, and is worked on by the same workers.
"""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from vi_portal.accounts.models import User
from vi_portal.jobs.models import ACTIVE, Job, Refused


class Policy(models.TextChoices):
    """What follows from a line, a file or an overwriting that the sender may not have meant."""

    WARN = "Warn"
    REJECT_FILE = "RejectFile"
    REJECT_SESSION = "RejectSession"


class ImportSession(models.Model):
    """Annotation files on their way into one dataset. `given_up` is why the sender stopped, if so."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    dataset = models.ForeignKey("datasets.Dataset", models.CASCADE, related_name="import_sessions")
    user = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    on_bad_annotation = models.CharField(max_length=20, choices=Policy.choices, default=Policy.WARN)
    on_bad_file = models.CharField(max_length=20, choices=Policy.choices, default=Policy.WARN)
    on_overwritten = models.CharField(max_length=20, choices=Policy.choices, default=Policy.WARN)
    attributes = models.JSONField(default=dict)
    upload_before = models.DateTimeField()
    given_up = models.CharField(max_length=40, blank=True)
    inserted_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(on_bad_annotation__in=Policy.values)
                & Q(on_bad_file__in=Policy.values)
                & Q(on_overwritten__in=Policy.values),
                name="import_policies_known",
            )
        ]

    def __str__(self) -> str:
        return f"Import session {self.pk}"

    @property
    def is_open(self) -> bool:
        """Whether files may still be sent."""
        return self.inserted_at is None and not self.given_up and self.upload_before > timezone.now()

    @property
    def folder(self) -> Path:
        """Where the files lie until they are read."""
        return Path(settings.UPLOAD_DIR) / str(self.pk)


class ImportFile(models.Model):
    """One annotation file of a session: what was announced, and whether it is here. `crc32c` unsigned."""

    session = models.ForeignKey(ImportSession, models.CASCADE, related_name="files")
    name = models.CharField(max_length=1024)
    size = models.PositiveBigIntegerField()
    crc32c = models.PositiveBigIntegerField(null=True)
    is_here = models.BooleanField(default=False)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["session", "name"], name="import_file_once")]

    def __str__(self) -> str:
        return self.name


class ImportJobQuerySet(models.QuerySet["ImportJob"]):
    def named(self) -> ImportJobQuerySet:
        """With the name of the first file of each."""
        files = ImportFile.objects.filter(session=models.OuterRef("session"), is_here=True).order_by("pk")
        return self.annotate(first_file=models.Subquery(files.values("name")[:1]))


class ImportJob(Job):
    """The reading of one session's files. `summary` counts what became of what was read; `problems` has the first few
    sentences about what could not be used."""

    task_name = "datasets.run_import"
    large_from = 16 * 1024 * 1024  # bytes

    dataset = models.ForeignKey("datasets.Dataset", models.CASCADE, related_name="imports", db_index=False)
    session = models.OneToOneField(ImportSession, models.CASCADE, related_name="job")
    files = models.PositiveIntegerField(default=0)
    size = models.PositiveBigIntegerField(default=0)
    summary = models.JSONField(default=dict)
    problems = models.JSONField(default=list)

    objects = ImportJobQuerySet.as_manager()

    class Meta(Job.Meta):
        indexes: ClassVar = [
            *Job.Meta.indexes,
            models.Index(fields=["dataset", "-created_at"], name="import_history"),
        ]

    def __str__(self) -> str:
        return f"Import of {self.files} files into {self.dataset}"

    def tell(self, summary: dict[str, Any], **more: Any) -> None:
        """Show in the row what all attempts have written so far: in the transaction that writes it, so that it is so
        whatever befalls the worker. Raises `Refused` where the job is not ours any more."""
        self._move(self._held, summary=summary, **more)

    def discard(self) -> None:
        """Remove the row of an import that is over; what it wrote stays. Raises `Refused` while it is active."""
        over = ImportJob.objects.filter(pk=self.pk).exclude(state__in=ACTIVE)
        removed, _ = ImportSession.objects.filter(job__in=over).delete()
        if not removed:
            raise Refused(f"Import {self.pk} is in progress, or already gone.")
