"""How often each label was written, counted as annotations pass by, in bounded memory. No Django."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import msgspec

from datasets.contents import LabelTally

#: Labels beyond this many are counted together, so that a dataset of endless phrases fits in memory.
MAX_LABELS = 20_000
OTHER_LABELS = "(all other labels)"
_PENDING_CHARACTERS = 128 * 1024
_MAX_PIECES = 50_000


class LabelShare(msgspec.Struct):
    """What the `LabelCounts` of a shard tells that of the whole, which decodes the pieces of all shards at once."""

    counts: dict[str, int]
    members: dict[str, int]
    objects: dict[str, int]


class LabelCounts:
    """Boxes per phrase or interactions per answer, added up from the `labels` texts of annotations, one a line."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._tally = LabelTally()
        self._pending: list[str] = []
        self._size = 0

    def add(self, texts: str) -> None:
        self._pending.append(texts)
        self._size += len(texts)
        if self._size >= _PENDING_CHARACTERS:
            self._settle()
            if len(self._tally) > _MAX_PIECES:
                self._conclude()

    def add_counts(self, counts: Mapping[str, int], times: int = 1) -> None:
        if times == 1 and len(self._counts) + len(counts) <= MAX_LABELS:
            self._counts.update(counts)
            return
        for label, count in counts.items():
            known = label in self._counts or len(self._counts) < MAX_LABELS
            self._counts[label if known else OTHER_LABELS] += count * times

    def share(self) -> LabelShare:
        """All that was added so far."""
        self._settle()
        return LabelShare(dict(self._counts), *self._tally.pieces())

    def absorb(self, share: LabelShare) -> None:
        """Add what another told."""
        self.add_counts(share.counts)
        self._tally.add_pieces(share.members, share.objects)
        if len(self._tally) > _MAX_PIECES:
            self._conclude()

    def as_dict(self) -> dict[str, int]:
        """Every label with its count, most frequent first."""
        self._conclude()
        ordered = sorted(self._counts)
        ordered.sort(key=self._counts.__getitem__, reverse=True)  # equal counts stay in the order of their labels
        return {label: self._counts[label] for label in ordered}

    def total(self) -> int:
        self._conclude()
        return self._counts.total()

    def _settle(self) -> None:
        if self._pending:
            self._tally.add("\n".join(self._pending))
        self._pending.clear()
        self._size = 0

    def _conclude(self) -> None:
        self._settle()
        for labels, times in self._tally.counts():
            self.add_counts(labels, times)
        self._tally = LabelTally()
