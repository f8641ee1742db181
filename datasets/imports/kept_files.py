"""Where the files of an import session lie until they are read: in its folder, or on a store that all machines reach.

From the store, the worker that reads them fetches them into the folder first.
"""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

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


@contextmanager
def arriving(slot: ImportFile) -> Iterator[IO[bytes]]:
    """A new file for what is on its way to be that of `slot`: `keep` it, or it is gone afterwards.

    Where it goes on to a store it has no name, so that it is gone as well if this program is killed: who only takes
    files in does not sweep.
    """
    if are_on_store():
        folder = Path(settings.UPLOAD_DIR)
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            yield file
        return
    aside = _aside_of(slot)
    try:
        with aside.open("wb") as file:
            yield file
    finally:
        aside.unlink(missing_ok=True)


def keep(slot: ImportFile, file: IO[bytes]) -> None:
    """Make what is written into `file`, which was `arriving`, the file of `slot`. Raises `StoreFailed`."""
    file.flush()
    if (store := store_of("uploads")) is None:
        Path(file.name).rename(path_of(slot))
        return
    size = file.tell()
    file.seek(0)
    store.upload(_key(slot), file, size=size)


def fetched(slots: Sequence[ImportFile]) -> list[FoundFile]:
    """The files of `slots`, in order. Raises `StoreFailed`, and `FileNotFoundError` where one is gone."""
    store = store_of("uploads")
    for slot in slots:
        path = path_of(slot)
        if path.is_file():
            continue
        if store is None:
            raise FileNotFoundError(f"{path} is not here any more.")
        aside = _aside_of(slot)
        try:
            with store.open(_key(slot)) as source, aside.open("wb") as copy:
                shutil.copyfileobj(source, copy, _COPIED)
            aside.rename(path)
        finally:
            aside.unlink(missing_ok=True)
    return [FoundFile(path_of(slot).parent, path_of(slot).name) for slot in slots]


def remove(session: ImportSession) -> None:
    """Remove what `session` has on this machine, and on the store. Raises `StoreFailed`."""
    shutil.rmtree(session.folder, ignore_errors=True)
    if (store := store_of("uploads")) is not None:
        store.delete_all(_key(slot) for slot in session.files.all())


def _aside_of(slot: ImportFile) -> Path:
    """A new name in the folder of its session, with which it is swept."""
    folder = path_of(slot).parent
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f".{uuid.uuid4().hex}"


def _key(slot: ImportFile) -> str:
    return f"{slot.session_id}/{slot.pk}"
