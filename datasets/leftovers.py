"""What nobody comes back for: uploads that were begun and left, files that were read, and what deletion left to do.

The sweep has it discarded, in every round.
"""

from __future__ import annotations

import shutil
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.models import Q
from django.db.models.functions import Now

from datasets import removal
from datasets.models import ImportSession, IngestionSession
from vi_portal.jobs.models import ACTIVE
from vi_portal.s3 import is_due, store_of

#: So long the row of an import session without a job answers its client's questions.
ABANDONED_DAYS = 30


def discard() -> None:
    """Close abandoned uploads, forget old ones, remove what deleted datasets left, and files read or abandoned.

    Raises `StoreFailed` where the store does not let go of something; another round goes on from there.
    """
    IngestionSession.settle_abandoned()
    IngestionSession.forget_old()
    removal.purge_deleted()
    _discard_folders()
    _discard_objects()
    _forget_abandoned()


# Names first, rows after: a file is never seen without the row that made it.


def _discard_folders() -> None:
    """Remove the files here that were read or abandoned."""
    root = Path(settings.UPLOAD_DIR)
    folders = {folder.name: folder for folder in root.iterdir() if folder.is_dir()} if root.is_dir() else {}
    needed = _sessions_to_keep(list(folders))
    for name, folder in folders.items():
        if name not in needed:
            shutil.rmtree(folder, ignore_errors=True)


def _discard_objects() -> None:
    """The same on a store, where uploads that were not finished go as well. Now and then: a listing takes its time."""
    store = store_of("uploads")
    if store is None or not is_due(store):
        return
    for kind in ("default", "uploads"):
        if place := store_of(kind):
            place.abort_stale_uploads()
    found = [file.name for file in store.listing()]
    needed = _sessions_to_keep(list({name.partition("/")[0] for name in found}))
    store.delete_all(name for name in found if name.partition("/")[0] not in needed)


def _forget_abandoned() -> None:
    """Delete the rows of sessions that never came to a job, long after their client could still ask for them."""
    long_ago = Now() - timedelta(days=ABANDONED_DAYS)
    abandoned = ImportSession.objects.filter(job=None, upload_before__lt=long_ago).order_by("upload_before")
    ImportSession.objects.filter(pk__in=list(abandoned.values_list("pk", flat=True)[:100])).delete()


def _sessions_to_keep(names: list[str]) -> set[str]:
    """Those of `names` that are sessions whose files are still to come, or still to be read."""
    keys: list[uuid.UUID] = []
    for name in names:
        try:
            keys.append(uuid.UUID(name))
        except ValueError:
            continue
    an_hour_ago = Now() - timedelta(hours=1)
    coming = Q(inserted_at=None, given_up="", upload_before__gt=an_hour_ago)
    to_be_read = Q(inserted_at__gt=an_hour_ago, job=None) | Q(job__state__in=ACTIVE)
    kept: Any = ImportSession.objects.filter(coming | to_be_read, pk__in=keys).values_list("pk", flat=True)
    return {str(key) for key in kept}
