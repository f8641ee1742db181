"""An export as a row of the job history: its warnings in words, and what this person may do with it."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property, lru_cache
from typing import Any, ClassVar

from django.urls import reverse

from exports import storage
from exports.job_rows import JobRow
from exports.models import ExportJob
from exports.receipt import NO_ANNOTATIONS
from vi_portal.accounts.models import Membership
from vi_portal.jobs.models import State

#: For so many seconds the same link is shown.
_LINK_KEPT = 600
#: Nobody can know it, so nothing that a user named has it in it.
LINK = f"link-{secrets.token_hex(16)}"
#: How many kinds of warnings the row itself tells; its details have them all.
_TOLD_AT_ONCE = 2

#: How each kind of warning is told, for one and for several.
_TOLD = {
    ("annotations", "skipped"): ("1 annotation skipped", "{} annotations skipped"),
    ("boxes", "clamped"): ("1 box cut to its image", "{} boxes cut to their image"),
    ("boxes", "degenerate"): ("1 box without area left out", "{} boxes without area left out"),
    ("images", "missing"): ("1 image missing", "{} images missing"),
    ("images", "damaged"): ("1 damaged image", "{} damaged images"),
    ("images", "oriented"): (
        "1 image with an EXIF orientation, not applied",
        "{} images with an EXIF orientation, not applied",
    ),
}


def may_alter(job: ExportJob, membership: Membership) -> bool:
    """Whether this member may cancel or delete `job`: editors any, others who may export their own."""
    return membership.may_edit or (membership.may_export and job.user_id == membership.user_id)


@dataclass(frozen=True)
class ExportRow(JobRow[ExportJob]):
    """One export, as its row shows it."""

    nobody: ClassVar[str] = "The command line"
    template: ClassVar[str] = "exports/_export_row.html"

    @property
    def told(self) -> tuple[object, ...]:
        link = self.job.archive_filename if self.has_link else ""
        return *super().told, self.expires, self.job.has_expired, self.may_delete, self.repeat_label, link

    @property
    def personal(self) -> Mapping[str, str]:
        if not self.has_link:
            return {}
        made = int(self.now.timestamp() / _LINK_KEPT)
        return {LINK: _link(self.job.pk, self.membership.user_id, self.job.archive_filename, made)}

    @property
    def verdict(self) -> str:
        if not self.warnings:
            return ""
        told, more = ", ".join(self.warnings[:_TOLD_AT_ONCE]), len(self.warnings) - _TOLD_AT_ONCE
        return f"Finished with warnings: {told}" + (f", and {more} more" if more > 0 else "")

    @property
    def has_written(self) -> bool:
        return self.job.assets_written is not None

    @cached_property
    def warnings(self) -> list[str]:
        """What went otherwise than asked, counted, one phrase a kind."""
        found: dict[str, Any] = self.job.warnings
        skipped = {why: n for why, n in found.get("skipped", {}).items() if why != NO_ANNOTATIONS}
        told = [f"{_number(count)} skipped ({why})" for why, count in skipped.items()]
        for group in ("annotations", "boxes", "images"):
            for kind, count in found.get(group, {}).items():
                one, many = _TOLD.get((group, kind), (f"1 {kind} in {group}", f"{{}} {kind} in {group}"))
                told.append(one if count == 1 else many.format(_number(count)))
        return told

    @property
    def examples(self) -> list[str]:
        """The first few warnings, each naming its asset."""
        return list(self.job.warnings.get("examples", []))

    @property
    def unannotated(self) -> int:
        """How many of the selected assets had no annotations."""
        return int(self.job.warnings.get("skipped", {}).get(NO_ANNOTATIONS, 0))

    @property
    def expires(self) -> str:
        """When the archive goes, from now; empty where there is none."""
        if not self.job.has_archive or self.job.expires_at is None:
            return ""
        return f"in {_left(self.job.expires_at - self.now)}"

    @property
    def has_link(self) -> bool:
        """Whether there is an archive, and for this user a signed link to it."""
        return self.job.has_archive and self.membership.may_export

    @property
    def checksum(self) -> str:
        """The id of the element with the archive's SHA-256."""
        return f"checksum-{self.job.pk}"

    @property
    def download_url(self) -> str:
        """What stands for the signed link until it is known whose it is: see `personal`."""
        return LINK if self.has_link else ""

    @property
    def may_cancel(self) -> bool:
        return self.job.is_active and may_alter(self.job, self.membership)

    @property
    def may_delete(self) -> bool:
        return not self.job.is_active and may_alter(self.job, self.membership)

    @property
    def repeat_label(self) -> str:
        """What asking again is called; empty where it makes no sense."""
        if not self.membership.may_export:
            return ""
        if self.job.has_expired:
            return "Rebuild"
        return "Retry" if self.job.state == State.FAILED else ""


@lru_cache(maxsize=4_000)
def _link(job_id: uuid.UUID, user_id: int, filename: str, made: int) -> str:
    """The signed link of this user. It is signed anew whenever `made` moves on, long before it expires."""
    return reverse("download", args=[job_id, storage.sign(job_id, user_id=user_id), filename])


def _number(count: int) -> str:
    return f"{count:,}"


def _left(span: timedelta) -> str:
    """The time left, in whole units of its largest."""
    minutes = span.total_seconds() / 60
    for unit, size in (("day", 24 * 60), ("hour", 60), ("minute", 1)):
        if minutes >= size:
            count = round(minutes / size)
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return "under a minute"
