"""The export job: what was asked, how far it is, and what came of it."""

from __future__ import annotations

import uuid
from contextlib import suppress
from itertools import islice
from typing import ClassVar

from django.db import models
from django.db.models.functions import Now
from django.utils import timezone

from datasets.models import Dataset
from exports import storage
from exports.job_files import JobFile
from exports.spec import ExportSpec
from vi_portal.accounts.models import User
from vi_portal.jobs.models import ACTIVE, Job, Refused, State
from vi_portal.s3.failures import StoreFailed


class ExportJobQuerySet(models.QuerySet["ExportJob"]):
    def visible_to(self, user: User) -> ExportJobQuerySet:
        """The exports of the datasets `user` may see, or could see before they were deleted."""
        return self.filter(dataset__in=Dataset.everything.visible_to(user))

    def expired(self) -> ExportJobQuerySet:
        """Finished exports whose archive is past its time but still there."""
        return self.filter(state=State.FINISHED, expires_at__lt=Now()).exclude(archive="")


class ExportJob(Job):
    """One export of one dataset. `spec` and the counts never change once it is finished; `archive` goes empty
    when the file has expired."""

    task_name = "exports.run_export"
    large_from = 100_000  # annotations; see `dispatch`
    flavor = "format"

    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="exports", db_index=False)
    format = models.CharField(max_length=30)
    options = models.JSONField()

    snapshot_at = models.DateTimeField(null=True)
    assets_selected = models.PositiveIntegerField(null=True)
    assets_written = models.PositiveIntegerField(null=True)
    annotations_written = models.PositiveIntegerField(null=True)
    train_count = models.PositiveIntegerField(null=True)
    validation_count = models.PositiveIntegerField(null=True)
    warnings = models.JSONField(default=dict)
    archive = models.CharField(max_length=255, blank=True)
    size = models.PositiveBigIntegerField(null=True)
    sha256 = models.CharField(max_length=64, blank=True)
    expires_at = models.DateTimeField(null=True)

    objects = ExportJobQuerySet.as_manager()

    class Meta(Job.Meta):
        indexes: ClassVar = [
            *Job.Meta.indexes,
            models.Index(fields=["dataset", "-created_at"], name="export_history"),
            models.Index(fields=["state", "expires_at"], name="export_expiry"),
        ]
        constraints: ClassVar = [
            *Job.Meta.constraints,
            models.UniqueConstraint(fields=["archive"], name="export_archive_once", condition=~models.Q(archive="")),
        ]

    def __str__(self) -> str:
        return f"Export of {self.dataset}: {self.spec.in_words()}"

    # Factories

    @classmethod
    def of(cls, spec: ExportSpec, *, dataset: Dataset, user: User | None, workload: int = 0) -> ExportJob:
        """A new queued job, saved."""
        return cls.objects.create(
            dataset=dataset,
            user=user,
            requested_by=user.display_name if user else "",
            format=spec.format,
            options=spec.as_dict(),
            workload=workload,
            large=workload >= cls.large_from,
        )

    # Properties

    @property
    def spec(self) -> ExportSpec:
        return ExportSpec.from_dict(self.options)

    @property
    def has_archive(self) -> bool:
        return bool(self.archive) and not self.has_expired

    @property
    def has_expired(self) -> bool:
        return self.state == State.FINISHED and (
            not self.archive or (self.expires_at is not None and self.expires_at <= timezone.now())
        )

    @property
    def archive_filename(self) -> str:
        """What the downloaded file is called."""
        return storage.download_name(dataset=self.dataset.name, format_key=self.format, moment=self.created_at)

    # Mutators

    def discard(self) -> None:
        """Remove the row of an export that is over, and then its archive. Raises `Refused` while it is active."""
        # The row first: a file that no row owns is swept up, a row without its file would promise one.
        removed, _ = ExportJob.objects.filter(pk=self.pk).exclude(state__in=ACTIVE).delete()
        if not removed:
            raise Refused(f"Export {self.pk} is in progress, or already gone.")
        if self.archive:
            with suppress(StoreFailed):  # then the sweep removes it
                storage.delete(self.archive)

    # The sweep

    @classmethod
    def kept(cls) -> models.Q:
        """An archive outlives its dataset until it expires."""
        return super().kept() | ~models.Q(archive="")

    @classmethod
    def discard_leftovers(cls) -> None:
        """Delete files that no job owns, and expired archives."""
        # Files first, rows after: a file is never seen without the row that made it.
        found = storage.files()
        while files := list(islice(found, 500)):
            found_ids = {file.job_id for file in files}
            exports = cls.objects.filter(pk__in=found_ids).only("state", "archive", "lease_token")
            shards = ExportShard.objects.filter(pk__in=found_ids).only("state", "fragment", "lease_token")
            owners = {row.pk: row for rows in (exports, shards) for row in rows}
            for file in files:
                if not _is_owned(file, owners.get(file.job_id)):
                    file.remove()
        for job in cls.objects.expired()[:100]:
            storage.delete(job.archive)
            cls.objects.filter(pk=job.pk, archive=job.archive).update(archive="")


class ExportShard(Job):
    """A share of an export that any worker can write, while the worker that holds the export assembles what comes.

    `runs` are the runs it consists of, `ids` the row ids of their assets. `revision` and `snapshot` tell how the holder
    sees the dataset, and `export_token` is its lease. `fragment` is the key of what was written.
    """

    task_name = "exports.run_shard"
    is_piece = True
    owner = "export__user_id"

    export = models.ForeignKey(ExportJob, models.CASCADE, related_name="shards", db_index=False)
    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="+")
    export_token = models.UUIDField()
    number = models.PositiveIntegerField()
    runs = models.JSONField()
    ids = models.BinaryField()
    revision = models.PositiveBigIntegerField()
    snapshot = models.CharField(max_length=100, blank=True)
    holder_only = models.BooleanField(default=False)
    fragment = models.CharField(max_length=255, blank=True)

    class Meta(Job.Meta):
        constraints: ClassVar = [
            *Job.Meta.constraints,
            models.UniqueConstraint(fields=["export", "number"], name="exportshard_number_once"),
        ]

    def __str__(self) -> str:
        return f"Shard {self.number} of export {self.export_id}"

    @property
    def log_id(self) -> uuid.UUID:
        return self.export_id

    @classmethod
    def waiting(cls) -> models.Q:
        """The shards that any worker may write."""
        return super().waiting() & cls._wanted() & models.Q(holder_only=False)

    def leave_to_the_holder(self) -> None:
        """Give the shard back for the one worker that sees the dataset as it is to be written. Raises `Refused`."""
        self._move(self._held, state=State.QUEUED, holder_only=True, phase="", lease_token=None, lease_expires_at=None)

    @classmethod
    def discard_leftovers(cls) -> None:
        """Forget the shards whose export is over, or is tried anew."""
        wanted = cls.objects.filter(cls._wanted()).values("pk")
        cls.objects.exclude(pk__in=wanted).delete()

    @staticmethod
    def _wanted() -> models.Q:
        """The shards of exports that are held as they were when the shards were dealt."""
        return models.Q(export__state=State.RUNNING, export__lease_token=models.F("export_token"))


def _is_owned(file: JobFile, job: ExportJob | ExportShard | None) -> bool:
    if job is None:
        return False
    key = job.archive if isinstance(job, ExportJob) else job.fragment
    published = job.state == State.FINISHED and key == file.key and not file.unfinished
    being_written = job.state == State.RUNNING and job.lease_token == file.token
    return published or being_written
