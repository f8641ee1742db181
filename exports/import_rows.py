"""An import as a row of the job history."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from datasets.models import ImportJob
from exports.job_rows import JobRow


@dataclass(frozen=True)
class ImportRow(JobRow[ImportJob]):
    """One import, as its row shows it."""

    nobody: ClassVar[str] = "A deleted user"
    template: ClassVar[str] = "exports/_import_row.html"

    @property
    def told(self) -> tuple[object, ...]:
        return *super().told, self.may_delete

    @property
    def verdict(self) -> str:
        refused = self._count("annotations", "refused") + int(self.job.summary.get("lines_refused", 0))
        if refused:
            words = "1 line or annotation" if refused == 1 else f"{refused:,} lines or annotations"
            return f"Finished with warnings: {words} refused"
        return "Finished with warnings" if self.job.problems else ""

    @property
    def aftermath(self) -> str:
        for number, kind in ((self.written, "annotation"), (self._written_of("assets"), "asset")):
            if number:
                words = f"1 {kind} was written by then and stays."
                return words if number == 1 else f"{number:,} {kind}s were written by then and stay."
        return "Nothing was written." if self.job.cancelled else ""

    @property
    def first_file(self) -> str:
        """Its name, where the job came `named`."""
        return getattr(self.job, "first_file", None) or ""

    @property
    def more_files(self) -> int:
        return self.job.files - 1

    @property
    def has_written(self) -> bool:
        return bool(self.job.summary)

    @property
    def written(self) -> int:
        """How many annotations were written anew or over."""
        return self._written_of("annotations")

    @property
    def unchanged(self) -> int:
        return self._count("annotations", "already_there")

    @property
    def may_cancel(self) -> bool:
        return self.job.is_active and self.membership.may_edit

    @property
    def may_delete(self) -> bool:
        return not self.job.is_active and self.membership.may_edit

    def _written_of(self, what: str) -> int:
        return self._count(what, "created") + self._count(what, "updated")

    def _count(self, what: str, outcome: str) -> int:
        counted: dict[str, Any] = self.job.summary.get(what, {})
        return int(counted.get(outcome, 0))
