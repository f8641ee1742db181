"""The account an import gives of itself: how much was read, written and skipped, and every problem by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Outcome: TypeAlias = Literal["created", "updated", "already_there", "refused"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing the person should know. `file` is relative to what was asked to be read.

    `line` counts from 1, and is 0 where the whole file is meant. In a file that is one JSON document it is the
    number of the record.
    """

    file: str
    line: int
    reason: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.reason}" if self.line else f"{self.file}: {self.reason}"


Report: TypeAlias = Callable[[Problem], None]


@dataclass(slots=True)
class Count:
    """What became of everything that was read of one kind: read = written + skipped, always."""

    created: int = 0
    updated: int = 0
    already_there: int = 0
    refused: int = 0

    @property
    def written(self) -> int:
        return self.created + self.updated

    @property
    def skipped(self) -> int:
        return self.already_there + self.refused

    @property
    def read(self) -> int:
        return self.written + self.skipped

    def add(self, outcome: Outcome, number: int = 1) -> None:
        setattr(self, outcome, getattr(self, outcome) + number)

    def __str__(self) -> str:
        words = [f"{self.read:,} read", f"{self.written:,} written"]
        if self.updated:
            words[-1] += f" ({self.updated:,} updated)"
        skipped = f"{self.skipped:,} skipped"
        reasons = [
            f"{number:,} {reason}"
            for number, reason in ((self.already_there, "already there"), (self.refused, "refused"))
            if number
        ]
        return ", ".join([*words, f"{skipped} ({', '.join(reasons)})" if reasons else skipped])


@dataclass(slots=True)
class Summary:
    """What an import did. `assets` counts each asset that was come across once, and each that could not be made."""

    images: Count = field(default_factory=Count)
    assets: Count = field(default_factory=Count)
    annotations: Count = field(default_factory=Count)
    lines_read: int = 0
    lines_refused: int = 0
    boxes: int = 0
    degenerate_boxes: int = 0
    outside_boxes: int = 0
    missing_images: int = 0
    problems: int = 0

    @property
    def came_to_nothing(self) -> bool:
        """Whether not one image or annotation could be used."""
        counts = (self.images, self.assets, self.annotations)
        return not any(count.written or count.already_there for count in counts)


class Journal:
    """Where an import writes down what it does, as it goes along."""

    def __init__(self, report: Report) -> None:
        self.summary = Summary()
        self._report = report
        self._seen: set[int] = set()

    def problem(self, file: str, line: int, reason: str) -> None:
        self.summary.problems += 1
        self._report(Problem(file, line, reason))

    def asset(self, pk: int, outcome: Outcome) -> bool:
        """Count the asset `pk` where it is come across for the first time, and tell whether it is."""
        is_new = pk not in self._seen
        if is_new:
            self._seen.add(pk)
            self.summary.assets.add(outcome)
        return is_new


def quoted(text: str, limit: int = 80) -> str:
    """`text` in quotation marks for a sentence: cut where long, control characters shown as �."""
    shown = text if len(text) <= limit else text[: limit - 1] + "…"
    return "“" + "".join(character if character.isprintable() else "�" for character in shown) + "”"
