"""The image files of the running import and the assets they are, so that a line may name one by its path. No Django."""

from __future__ import annotations

import re

from datasets import names

_NOT_BELOW = re.compile(r"[/\\]|[A-Za-z]:")


def path_parts(name: str) -> tuple[str, ...]:
    """`images/cam1/a.jpg` in its parts, in NFC; none where the name does not lead below some folder."""
    parts = tuple(part for part in re.split(r"[/\\]", names.normal(name)) if part not in ("", "."))
    return () if _NOT_BELOW.match(name) or ".." in parts else parts


class Arrivals:
    """Which file became, or was found to be, which asset. `created` has the keys of those that this import made."""

    def __init__(self) -> None:
        self.created: set[int] = set()
        self._by_name: dict[str, list[tuple[tuple[str, ...], int]]] = {}

    def add(self, path: str, asset_pk: int, *, created: bool) -> None:
        *folders, last = names.normal(path).split("/")
        self._by_name.setdefault(last, []).append((tuple(folders), asset_pk))
        if created:
            self.created.add(asset_pk)

    def includes(self, name: str) -> bool:
        """Whether a file of this base name arrived, in whatever folder."""
        parts = path_parts(name)
        return bool(parts) and parts[-1] in self._by_name

    def find(self, name: str) -> int | None:
        """The asset that `name`, a base name or a path, stands for; None where it may be several, or none."""
        *folders, last = path_parts(name) or ("",)
        candidates = self._by_name.get(last, [])
        exact = {pk for parts, pk in candidates if parts == tuple(folders)}
        fitting = exact or {pk for parts, pk in candidates if _agree(parts, tuple(folders))}
        return fitting.pop() if len(fitting) == 1 else None


def _agree(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Whether the shorter path of folders is the end of the longer one."""
    shorter = min(len(one), len(other))
    return one[len(one) - shorter :] == other[len(other) - shorter :]
