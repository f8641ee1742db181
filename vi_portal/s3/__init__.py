"""S3-compatible storage: a backend of django-storages that reads, writes and fails in a bounded way.

Nothing of it is loaded while all files are on disk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, cast

from django.conf import settings
from django.core.files.storage import storages

if TYPE_CHECKING:
    from vi_portal.s3.store import ObjectStore


def store_of(kind: Literal["default", "archives", "uploads"]) -> ObjectStore | None:
    """The store that has the files of this kind, by its name in STORAGES; None where they are on disk."""
    if "archives" not in settings.STORAGES:
        return None
    return cast("ObjectStore", storages[kind])
