"""How much an import has written so far, told to its row while it goes on, and when it ends before its time."""

from __future__ import annotations

import time
from dataclasses import asdict
from functools import partial
from types import TracebackType
from typing import Any, Self

from datasets.imports.account import Summary
from datasets.models import ImportJob
from vi_portal.jobs.attempts import settle

#: The row is written at most this often.
_TOLD_EVERY_SECONDS = 1.0


class Standing:
    """Counts of what is committed, in the row of `job`. In a `with` block: an error's way out tells the last ones."""

    def __init__(self, job: ImportJob) -> None:
        self._job = job
        self._summary: Summary | None = None
        self._latest: dict[str, Any] = {}
        self._told_at = 0.0

    def follow(self, summary: Summary) -> None:
        """From now on `summary` is what is told."""
        self._summary = summary

    def note(self) -> None:
        """Everything in the summary is committed just now."""
        if self._summary is None:
            return
        self._latest = asdict(self._summary)
        if time.monotonic() - self._told_at >= _TOLD_EVERY_SECONDS:
            self._job.tell(self._latest)
            self._told_at = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None and self._latest:
            settle(partial(self._job.tell, self._latest))
