"""The thread of every worker that signs it in and sweeps."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable

from django.conf import settings
from django.db import connections

from vi_portal.jobs.models import Worker
from vi_portal.jobs.sweep import steps

log = logging.getLogger(__name__)

#: Held during a step, and by whoever forks: the new process must not inherit a step half done, nor an open
#: connection, which SQLite forbids.
_STEP = threading.Lock()
os.register_at_fork(before=_STEP.acquire, after_in_parent=_STEP.release, after_in_child=_STEP.release)


class Sweeper:
    """A thread that signs its worker in and sweeps, every JOB_SWEEP_SECONDS, until stopped."""

    def __init__(self, worker: str, *, slots: int = 1) -> None:
        self._worker = worker
        self._slots = slots
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sweeper", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        try:
            while True:
                for step in steps():
                    self._take(step)
                if self._over.wait(settings.JOB_SWEEP_SECONDS):
                    break
            Worker.sign_out(self._worker)
        finally:
            connections.close_all()

    def _take(self, step: Callable[[], None]) -> None:
        """One step, and the worker is signed in again: it is not gone while a round takes long."""
        if self._over.is_set():
            return
        with _STEP:
            try:
                Worker.sign_in(self._worker, slots=self._slots)
                step()
            except Exception:
                log.exception("The sweep failed; it tries again in %s s.", settings.JOB_SWEEP_SECONDS)
            finally:
                connections.close_all()
