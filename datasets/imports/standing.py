"""How far an import has come: told to its row with every batch, and known there to an attempt that begins anew.

An attempt reads the files from their beginning, in the same batches. What those before it have committed, it finds in
the dataset; but it is told as what it was when it was written.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict
from typing import Any

from datasets.imports.account import Summary
from datasets.models import ImportJob

#: How many problems the row tells by name; it counts all of them.
PROBLEMS_KEPT = 50


class Standing:
    """What the row of `job` says of what is committed."""

    def __init__(self, job: ImportJob) -> None:
        self._job = job
        self._before: dict[str, Any] = asdict(Summary()) | job.summary
        #: This attempt's counts at the end of what was read before.
        self._again: dict[str, Any] = {}

    @property
    def has_begun(self) -> bool:
        """Whether an attempt has judged the files, and begun to write."""
        return "left_out" in self._before

    @property
    def left_out(self) -> Collection[int]:
        """The places of the files that are not read."""
        return set(self._before["left_out"])

    def begin(self, left_out: Mapping[int, str]) -> None:
        """Keep which files are left out, by their places, and why, for every attempt. Raises `Refused`."""
        self._before["left_out"] = sorted(left_out)
        self._job.problems = list(left_out.values())[:PROBLEMS_KEPT]
        self._job.tell(self._before, problems=self._job.problems)

    def tell(self, summary: Summary) -> None:
        """Within the transaction of a batch: what `summary` counts is committed with it. Raises `Refused`."""
        self._job.tell(self.told(summary) | {"left_out": self._before["left_out"]})

    def told(self, summary: Summary) -> dict[str, Any]:
        """What all attempts came to, where this one has come to `summary`."""
        now = asdict(summary)
        if now["lines_read"] <= self._before["lines_read"]:
            self._again = now
        return {name: _added(self._before[name], count, self._again.get(name, 0)) for name, count in now.items()}


def _added(before: Any, now: Any, again: Any) -> Any:
    if isinstance(now, dict):
        return {name: _added(before[name], count, again[name] if again else 0) for name, count in now.items()}
    return before + now - again
