"""What the reader of an export should know: what was left out or repaired, and why. No Django."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from exports.label_counts import LabelCounts, LabelShare
from exports.spooled_list import SpooledList

_MAX_EXAMPLES = 20


class AssetName(NamedTuple):
    """How a report names an asset."""

    asset_id: str
    filename: str


class FindingsShare(msgspec.Struct):
    """What the `Findings` of one shard tell those of the whole; lists are JSON texts."""

    skipped: dict[str, int]
    noted: dict[str, dict[str, int]]
    examples: list[str]
    lost_annotations: int
    lost_images: int
    lost_labels: LabelShare
    skipped_list: msgspec.Raw
    warnings: msgspec.Raw
    renamed: msgspec.Raw


class Findings:
    """The findings of one export: counted, and listed in spool files in `folder`, until it is closed.

    `lost_annotations`, `lost_images` and `lost_labels` are of the assets that were skipped for want of their image.
    """

    def __init__(self, folder: Path) -> None:
        self.lost_annotations = self.lost_images = 0
        self.lost_labels = LabelCounts()
        self._skipped: Counter[str] = Counter()
        self._noted: dict[str, Counter[str]] = {}
        self._examples: list[str] = []
        self._skipped_list = SpooledList(folder)
        self._warnings = SpooledList(folder)
        self._renamed = SpooledList(folder)

    def close(self) -> None:
        for spool in self.lists().values():
            spool.close()

    # What the plan and the parts tell

    def skipped_asset(self, asset: AssetName, reason: str, *, expected: bool = False) -> None:
        """`asset` makes no record; `expected` reasons are no warning."""
        self._skipped[reason] += 1
        self._skipped_list.append({**asset._asdict(), "reason": reason})
        if not expected:
            self._example(asset, reason)

    def skipped_pair(self, asset: AssetName, reason: str, labels: str) -> None:
        """`asset` makes no record for want of its image; its annotations, one a line of `labels`, go with it."""
        self.skipped_asset(asset, f"the image was left out: {reason}")
        self.lost_images += 1
        self.lost_annotations += labels.count("\n") + 1
        self.lost_labels.add(labels)

    def note(self, group: str, kind: str, asset: AssetName, reason: str, *, example: str = "", **facts: Any) -> None:
        """Something about `asset` that the reader of the export should know."""
        self._noted.setdefault(group, Counter())[kind] += 1
        self._warnings.append({"what": f"{group}: {kind}", **asset._asdict(), "reason": reason, **facts})
        self._example(asset, example or reason)

    def renamed(self, asset: AssetName, member_name: str) -> None:
        self._renamed.append({**asset._asdict(), "name_in_archive": member_name})

    # Shards

    def share(self) -> FindingsShare:
        """All that was told so far."""
        return FindingsShare(
            skipped=dict(self._skipped),
            noted=self.by_kind(),
            examples=self._examples,
            lost_annotations=self.lost_annotations,
            lost_images=self.lost_images,
            lost_labels=self.lost_labels.share(),
            skipped_list=msgspec.Raw(b"".join(self._skipped_list.chunks())),
            warnings=msgspec.Raw(b"".join(self._warnings.chunks())),
            renamed=msgspec.Raw(b"".join(self._renamed.chunks())),
        )

    def absorb(self, share: FindingsShare) -> None:
        """Take over what others were told, as if it had been told to these next."""
        self._skipped.update(share.skipped)
        for group, kinds in share.noted.items():
            self._noted.setdefault(group, Counter()).update(kinds)
        self._examples += share.examples[: _MAX_EXAMPLES - len(self._examples)]
        self.lost_annotations += share.lost_annotations
        self.lost_images += share.lost_images
        self.lost_labels.absorb(share.lost_labels)
        self._skipped_list.extend(bytes(share.skipped_list))
        self._warnings.extend(bytes(share.warnings))
        self._renamed.extend(bytes(share.renamed))

    # What has come of it

    def by_reason(self) -> dict[str, int]:
        """How many assets were skipped, by reason."""
        return dict(self._skipped)

    def by_kind(self) -> dict[str, dict[str, int]]:
        """How often something of each kind was noted, by group."""
        return {group: dict(kinds) for group, kinds in self._noted.items()}

    def times(self, group: str, kind: str) -> int:
        """How often something of this kind was noted."""
        return self._noted.get(group, Counter())[kind]

    def summary(self) -> dict[str, Any]:
        """For the job's row: counts by kind, and the first few in words."""
        found: dict[str, Any] = dict(self.by_kind())
        if self._skipped:
            found["skipped"] = self.by_reason()
        if self._examples:
            found["examples"] = self._examples
        return found

    def lists(self) -> dict[str, SpooledList]:
        """All findings by name, as the receipt has them."""
        return {"skipped": self._skipped_list, "warnings": self._warnings, "renamed": self._renamed}

    def _example(self, asset: AssetName, text: str) -> None:
        if len(self._examples) < _MAX_EXAMPLES:
            self._examples.append(f"{asset.filename[:120]}: {text}")
