"""Who is there to work."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.db import models
from django.db.models.functions import Now


class Worker(models.Model):
    """A worker that is, or lately was, alive; it signs in again with every sweep."""

    name = models.CharField(max_length=255, primary_key=True)
    started_at = models.DateTimeField(db_default=Now())
    seen_at = models.DateTimeField(db_default=Now())
    slots = models.PositiveSmallIntegerField(default=1, help_text="How many jobs it does at once.")

    def __str__(self) -> str:
        return self.name

    @classmethod
    def sign_in(cls, name: str, *, slots: int = 1) -> None:
        """Note that the worker `name`, which does `slots` jobs at once, is alive."""
        if not cls.objects.filter(pk=name).update(seen_at=Now(), slots=slots):
            Worker.objects.bulk_create([Worker(name=name, slots=slots)], ignore_conflicts=True)

    @classmethod
    def sign_out(cls, name: str) -> None:
        """Note that the worker `name` is gone."""
        cls.objects.filter(pk=name).delete()

    @classmethod
    def alive(cls) -> models.QuerySet[Worker]:
        """The workers seen within three sweeps (and ten seconds more)."""
        silence = timedelta(seconds=3 * settings.JOB_SWEEP_SECONDS + 10)
        return cls.objects.filter(seen_at__gte=Now() - silence)

    @classmethod
    def slots_beside(cls, name: str) -> int:
        """How many jobs can be done at once beside one that `name` does, who need not be a worker."""
        slots = dict(cls.alive().values_list("name", "slots"))
        return sum(slots.values()) - (name in slots)

    @classmethod
    def forget_long_gone(cls) -> None:
        cls.objects.filter(seen_at__lt=Now() - timedelta(days=1)).delete()
