"""A bulk deletion, over when it is written."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models.functions import Now

from vi_portal.accounts.models import User


class BulkAssetDeletion(models.Model):
    """A deletion of many assets at once, kept so that who asked for it can ask what came of it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    dataset = models.ForeignKey("datasets.Dataset", models.CASCADE, related_name="bulk_deletions")
    user = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    spec = models.JSONField(default=dict)
    deleted = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"Deletion of {self.deleted} assets"
