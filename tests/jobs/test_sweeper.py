"""The thread of a worker that sweeps: its worker counts as alive, however long a round takes."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now

from vi_portal.jobs import sweep
from vi_portal.jobs.models import Worker
from vi_portal.jobs.sweeper import Sweeper

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_worker_is_signed_in_again_after_each_step_of_a_long_round(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.JOB_SWEEP_SECONDS = 60
    alive: list[bool] = []
    over = threading.Event()

    def takes_long() -> None:
        alive.append(Worker.alive().filter(pk="sweeping").exists())
        Worker.objects.filter(pk="sweeping").update(seen_at=Now() - timedelta(seconds=3 * 60 + 11))

    def fails() -> None:
        takes_long()
        raise RuntimeError("The store hangs.")

    def last() -> None:
        takes_long()
        over.set()

    monkeypatch.setattr(sweep, "_also", [takes_long, fails, takes_long, last])
    sweeper = Sweeper("sweeping")
    sweeper.start()
    assert over.wait(20)
    sweeper.stop()
    assert alive == [True] * 4
    assert not Worker.objects.filter(pk="sweeping").exists()
