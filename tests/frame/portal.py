"""The portal as its users run it: real processes, over the database of the test run."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.db.models import Model

from datasets.models import Dataset
from tests import cast
from tests.waiting import wait_until

#: So many seconds a program may take to start. It takes two of them where it has a processor for itself; how fast it is
#: where it has not is nothing that is promised, and nothing that is tested.
TO_START = 60.0


def environment(data_dir: Path, **more: str) -> dict[str, str]:
    """What a process of the portal needs to work on this test's database, with everything in a hurry."""
    database = connection.settings_dict
    address = (
        f"sqlite:///{database['NAME']}"
        if connection.vendor == "sqlite"
        else "postgresql://{USER}:{PASSWORD}@{HOST}:{PORT}/{NAME}".format(**database)
    )
    return {
        "PATH": os.environ["PATH"],
        "DATA_DIR": str(data_dir),
        "DATABASE_URL": address,
        "CELERY_BROKER_URL": settings.CELERY_BROKER_URL,
        "JOB_LEASE_SECONDS": "2",
        "JOB_GRACE_SECONDS": "0.5",
        "JOB_SWEEP_SECONDS": "0.2",
        "TENSORFLOW_WARM_UP": "off",
        "WORKER_CONCURRENCY": "1",
        **more,
    }


def pause(pids: Sequence[int]) -> None:
    """Stop the processes, but not in the middle of a change to SQLite: nobody else could change anything then."""
    wait_until(lambda: _are_paused_outside_a_change(pids))


def resume(pids: Sequence[int]) -> None:
    _send(signal.SIGCONT, pids)


def _are_paused_outside_a_change(pids: Sequence[int]) -> bool:
    _send(signal.SIGSTOP, pids)
    wait_until(lambda: all(map(_is_stopped, pids)))
    if _is_locked():
        resume(pids)
        return False
    return True


def _send(number: signal.Signals, pids: Sequence[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _is_stopped(pid: int) -> bool:
    """Whether no thread of it runs on; it takes the signal a moment to reach them all."""
    try:
        told = [thread.read_text() for thread in Path(f"/proc/{pid}/task").glob("*/stat")]
    except OSError:
        return False  # a thread ended meanwhile; look again
    return all(line.rpartition(")")[2].split()[0] in "TtZX" for line in told)


def _is_locked() -> bool:
    if connection.vendor != "sqlite":
        return False  # there the change of one row keeps nobody from another
    with closing(sqlite3.connect(connection.settings_dict["NAME"], timeout=0.2)) as other:
        try:
            other.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return True
    return False


def processes(data_dir: Path) -> dict[int, str]:
    """The portal's processes over `data_dir`, whoever started them: process id and command line."""
    mark = f"DATA_DIR={data_dir}".encode()
    found = {}
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and mark in (entry / "environ").read_bytes().split(b"\0"):
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                if command:  # a zombie has none
                    found[int(entry.name)] = command
        except OSError:
            continue
    return found


def make_large(dataset: Dataset, *, assets: int, annotations: int) -> None:
    """Give `dataset` so many assets, each with so many annotations, in one statement a table."""
    pattern = cast.make_annotation(cast.make_asset(dataset, "pattern.jpg"))
    names = dict.fromkeys(("filename", "member_name", "member_key"), "'image_' || n || '.jpg'")
    _multiply(pattern.asset, times=assets - 1, **names)
    new = f"datasets_asset.uid <> '{pattern.asset.uid}'"
    _multiply(pattern, times=annotations, beside="datasets_asset", where=new, asset_id="datasets_asset.id")
    dataset.touch()


def _multiply(row: Model, *, times: int, beside: str = "", where: str = "true", **changes: str) -> None:
    """Copy `row` so often for each row of the table `beside`, with `changes` and a uid of its own."""
    table, fields = row._meta.db_table, [field for field in row._meta.concrete_fields if not field.primary_key]
    columns = [str(field.column) for field in fields]
    changes["uid"] = "'copy-' || n"
    values = [changes.get(column, f"pattern.{column}") for column in columns]
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < {times}) "
            f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(values)} "
            f"FROM {', '.join(filter(None, [f'{table} AS pattern', 'c', beside]))} WHERE pattern.id = %s AND {where}",
            [row.pk],
        )
