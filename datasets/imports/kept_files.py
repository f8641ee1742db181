"""Where the files of an import session lie until they are read: in its folder, or on a store that all machines reach.

From the store, the worker that reads them fetches them into the folder first.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Sequence
from pathlib import Path

from django.conf import settings

from datasets import names
from datasets.imports.files import FoundFile
from datasets.models import ImportFile, ImportSession
from vi_portal.s3 import store_of

_COPIED = 1024 * 1024


def are_on_store() -> bool:
    return store_of("uploads") is not None


def path_of(slot: ImportFile) -> Path:
    """Where the file of `slot` lies, or is fetched to: under a safe name, in a folder of its own.

    What is not called `.jsonl` is called `.json`, under which a reader looks for either.
    """
    name = names.member_name(slot.name)
    if names.split_extension(name)[1].lower() not in (".json", ".jsonl"):
        name = f"{name}.json"
    return slot.session.folder / str(slot.pk) / name


def aside_of(slot: ImportFile) -> Path:
    """A new name for a file that is still on its way to be that of `slot`."""
    folder = path_of(slot).parent if store_of("uploads") is None else Path(settings.UPLOAD_DIR)
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f".{uuid.uuid4().hex}"


def keep(slot: ImportFile, aside: Path) -> None:
    """Make the whole file at `aside` that of `slot`. Raises `StoreFailed`."""
    if (store := store_of("uploads")) is None:
        aside.rename(path_of(slot))
        return
    with aside.open("rb") as file:
        store.upload(_key(slot), file, size=aside.stat().st_size)
    aside.unlink()


def fetched(slots: Sequence[ImportFile]) -> list[FoundFile]:
    """The files of `slots`, in order. Raises `StoreFailed`, and `FileNotFoundError` where one is gone."""
    store = store_of("uploads")
    for slot in slots:
        path = path_of(slot)
        if path.is_file():
            continue
        if store is None:
            raise FileNotFoundError(f"{path} is not here any more.")
        aside = aside_of(slot)
        try:
            with store.open(_key(slot)) as source, aside.open("wb") as copy:
                shutil.copyfileobj(source, copy, _COPIED)
            path.parent.mkdir(parents=True, exist_ok=True)
            aside.rename(path)
        finally:
            aside.unlink(missing_ok=True)
    return [FoundFile(path_of(slot).parent, path_of(slot).name) for slot in slots]


def remove(session: ImportSession) -> None:
    """Remove what `session` has on this machine, and on the store. Raises `StoreFailed`."""
    shutil.rmtree(session.folder, ignore_errors=True)
    if (store := store_of("uploads")) is not None:
        store.delete_all(_key(slot) for slot in session.files.all())


def _key(slot: ImportFile) -> str:
    return f"{slot.session_id}/{slot.pk}"
