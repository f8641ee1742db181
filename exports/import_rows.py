"""An import as a row of the job history."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from datasets.models import ImportJob
from exports.job_rows import JobRow


@dataclass(frozen=True)
class ImportRow(JobRow[ImportJob]):
    """One import, as its row shows it."""

    kind: ClassVar[str] = "Import"
    nobody: ClassVar[str] = "A deleted user"

    @property
    def verdict(self) -> str:
        refused = self._count("annotations", "refused") + int(self.job.summary.get("lines_refused", 0))
        if refused:
            words = "1 line or annotation" if refused == 1 else f"{refused:,} lines or annotations"
            return f"Finished with warnings: {words} refused"
        return "Finished with warnings" if self.job.problems else ""

    @property
    def has_written(self) -> bool:
        return bool(self.job.summary)

    @property
    def written(self) -> int:
        """How many annotations were written anew or over."""
        return self._count("annotations", "created") + self._count("annotations", "updated")

    @property
    def unchanged(self) -> int:
        return self._count("annotations", "already_there")

    @property
    def may_cancel(self) -> bool:
        return self.job.is_active and self.membership.may_edit

    def _count(self, what: str, outcome: str) -> int:
        counted: dict[str, Any] = self.job.summary.get(what, {})
        return int(counted.get(outcome, 0))
