"""The thread of every worker that signs it in and sweeps."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from functools import partial

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
                    if self._over.is_set() or not self._sign_in():
                        break
                    self._take(step)
                if self._over.wait(settings.JOB_SWEEP_SECONDS):
                    break
            Worker.sign_out(self._worker)
        finally:
            connections.close_all()

    def _sign_in(self) -> bool:
        """Before every step: the worker is not gone while a round takes long. False where the database is."""
        return self._take(partial(Worker.sign_in, self._worker, slots=self._slots))

    def _take(self, step: Callable[[], None]) -> bool:
        with _STEP:
            try:
                step()
            except Exception:
                log.exception("The sweep failed; it tries again in %s s.", settings.JOB_SWEEP_SECONDS)
                return False
            finally:
                connections.close_all()
        return True
