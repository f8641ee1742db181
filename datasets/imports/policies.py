"""What an import session's policies make of a rehearsal: which files are read, or why none is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from datasets.imports.account import Problem, Summary, quoted
from datasets.imports.files import FoundFile
from datasets.models import ImportSession, Policy


class Rejected(Exception):
    """Nothing of the session is imported; the message is the sentence that says why."""


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What the reading of one file would come to. `problem` is the first that was met, if any."""

    file: FoundFile
    summary: Summary
    problem: Problem | None

    @property
    def is_bad(self) -> bool:
        """Whether nothing in the file can be used."""
        return self.problem is not None and self.summary.came_to_nothing

    @property
    def has_bad_annotations(self) -> bool:
        refused = self.summary.annotations.refused or self.summary.assets.refused
        return bool(self.summary.lines_refused or refused)

    @property
    def overwrites(self) -> int:
        """How many annotations of the dataset would say something else afterwards."""
        return self.summary.annotations.updated


def is_lenient(session: ImportSession) -> bool:
    """Whether nothing could keep a file from being read, so that no rehearsal is needed."""
    return (session.on_bad_annotation, session.on_bad_file, session.on_overwritten) == (Policy.WARN,) * 3


def judge(session: ImportSession, rehearsals: Iterable[Rehearsal]) -> list[tuple[FoundFile, str]]:
    """Apply the policies of `session`, file by file: those that are left out, and a sentence for each. Raises
    `Rejected` where one of them rejects it all."""
    left_out = []
    for each in rehearsals:
        policy, reason = _objection(session, each)
        if policy == Policy.REJECT_SESSION:
            raise Rejected(f"{reason} Nothing was imported.")
        if policy == Policy.REJECT_FILE:
            left_out.append((each.file, f"{reason} The file was left out."))
    return left_out


def _objection(session: ImportSession, rehearsal: Rehearsal) -> tuple[Policy, str]:
    """The severest policy that the file touches, and why."""
    name, problem = quoted(rehearsal.file.name), rehearsal.problem
    touched: list[tuple[Policy, str]] = []
    if rehearsal.is_bad:
        touched.append((Policy(session.on_bad_file), f"Nothing in {name} can be used. {problem}"))
    elif rehearsal.has_bad_annotations:
        touched.append((Policy(session.on_bad_annotation), f"Not everything in {name} can be used. {problem}"))
    if rehearsal.overwrites:
        count = rehearsal.overwrites
        words = "an annotation that is" if count == 1 else f"{count:,} annotations that are"
        touched.append((Policy(session.on_overwritten), f"{name} would replace {words} already in the dataset."))
    severity = [Policy.WARN, Policy.REJECT_FILE, Policy.REJECT_SESSION]
    return max(touched, key=lambda each: severity.index(each[0]), default=(Policy.WARN, ""))
