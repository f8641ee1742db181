"""The health page: is the portal whole, and if not, which part is missing.

`/healthz` answers 200 only while the database answers, the broker takes messages, a worker is alive and, where the
files are on a store, that answers; else 503.
It says why in words of its own, because the errors of clients may quote passwords, and it answers in bounded
time whatever the parts do.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLate
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import connections
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from kombu import Connection

from vi_portal.jobs.models import Worker
from vi_portal.s3 import store_of
from vi_portal.s3.failures import StoreFailed

#: A part that has not answered by then counts as failing.
PATIENCE_SECONDS = 4.0
CONNECT_SECONDS = 2

OK = "ok"

# Threads, so that a part that hangs holds up no request; few, so that hanging ones do not pile up.
_probes = ThreadPoolExecutor(max_workers=4, thread_name_prefix="health")


class Unwell(Exception):
    """A part does not do its work; the message says why, without secrets."""


@login_not_required
@never_cache
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """`{"status": "ok" | "failing", "database": …, "broker": …, "worker": …}`, each part "ok" or what is wrong; with
    files on a store, "store" as well."""
    store = _probes.submit(_store) if store_of("archives") else None
    database, broker = _probes.submit(_database), _probes.submit(_broker)
    parts = {"database": _told(database), "broker": _told(broker)}
    worker = _probes.submit(_worker) if parts["database"] == OK else None
    parts["worker"] = _told(worker) if worker else "Unknown, because the database does not answer."
    if store:
        parts["store"] = _told(store)
    well = all(part == OK for part in parts.values())
    return JsonResponse({"status": OK if well else "failing", **parts}, status=200 if well else 503)


def _told(probe: Future[None]) -> str:
    try:
        probe.result(timeout=PATIENCE_SECONDS)
    except TooLate:
        probe.cancel()
        return f"No answer within {PATIENCE_SECONDS:.0f} seconds."
    except Unwell as error:
        return str(error)
    return OK


def _with_own_connection(query: Callable[[], Any]) -> Any:
    """What `query` gives over a connection made for it: an old one may look alive."""
    try:
        return query()
    except Exception as error:
        raise Unwell(f"The database does not answer ({type(error).__name__}).") from error
    finally:
        connections.close_all()


def _database() -> None:
    def select() -> None:
        with connections["default"].cursor() as cursor:
            cursor.execute("SELECT 1")

    _with_own_connection(select)


def _worker() -> None:
    if not _with_own_connection(lambda: Worker.alive().exists()):
        raise Unwell("No worker is alive, so exports wait. Start one.")


def _store() -> None:
    store = store_of("archives")
    assert store is not None
    try:
        store.check()
    except StoreFailed as error:
        raise Unwell(str(error)) from error


def _broker() -> None:
    if settings.CELERY_BROKER_URL.startswith("files://"):
        _folder_of_messages()
        return
    try:
        with Connection(
            settings.CELERY_BROKER_URL,
            connect_timeout=CONNECT_SECONDS,
            transport_options=settings.CELERY_BROKER_TRANSPORT_OPTIONS,
        ) as connection:
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=CONNECT_SECONDS)
    except Exception as error:
        raise Unwell(f"The broker cannot be reached ({type(error).__name__}).") from error


def _folder_of_messages() -> None:
    folder = Path(settings.CELERY_BROKER_TRANSPORT_OPTIONS["data_folder_out"])
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".health-"):
            pass
    except OSError as error:
        raise Unwell(f"The broker's folder cannot be written ({type(error).__name__}).") from error
