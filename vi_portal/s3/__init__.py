"""S3-compatible storage: a backend of django-storages that reads, writes and fails in a bounded way.

Nothing of it is loaded while all files are on disk.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Literal, cast

from django.conf import settings
from django.core.files.storage import storages

if TYPE_CHECKING:
    from vi_portal.s3.store import ObjectStore


#: When this process last searched a store for leftovers, by the monotonic clock, and the place in its bucket.
_searched: dict[tuple[str, str], float] = {}


def store_of(kind: Literal["default", "archives", "uploads"]) -> ObjectStore | None:
    """The store that has the files of this kind, by its name in STORAGES; None where they are on disk."""
    if "archives" not in settings.STORAGES:
        return None
    return cast("ObjectStore", storages[kind])


def is_due(store: ObjectStore) -> bool:
    """Whether it is time to search `store` for leftovers; told once in S3_SWEEP_SECONDS."""
    place, now = (store.bucket_name, store.location), time.monotonic()
    if now - _searched.get(place, -math.inf) < settings.S3_SWEEP_SECONDS:
        return False
    _searched[place] = now
    return True
