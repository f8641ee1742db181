"""The receipt of one part of an export: what was written into it, and what befell it. No Django."""

from __future__ import annotations

from typing import Any

import msgspec

from datasets.contents import BoxFlaw
from exports.findings import AssetName, Findings
from exports.label_counts import LabelCounts, LabelShare


class PartShare(msgspec.Struct):
    """What the receipt of one shard tells of one part."""

    name: str
    assets: int
    annotations: int
    images: int
    labels: LabelShare


class PartReceipt:
    """What one part of the export has come to; told by the source as records pass."""

    def __init__(self, findings: Findings, name: str) -> None:
        self._findings = findings
        self.name = name
        self.assets = self.annotations = self.images = 0
        self.labels = LabelCounts()

    def wrote_asset(self, labels: str) -> None:
        """An asset was written with an annotation for each line of `labels`."""
        self.assets += 1
        self.annotations += labels.count("\n") + 1
        self.labels.add(labels)

    def wrote_image(self) -> None:
        self.images += 1

    def skipped_asset(self, asset: AssetName, reason: str) -> None:
        self._findings.skipped_asset(asset, reason)

    def skipped_pair(self, asset: AssetName, reason: str, labels: str) -> None:
        """An asset was left out for want of its image, and with it an annotation for each line of `labels`."""
        self._findings.skipped_pair(asset, reason, labels)

    def skipped_annotation(self, asset: AssetName, annotation: str, reason: str) -> None:
        self._findings.note(
            "annotations",
            "skipped",
            asset,
            reason,
            example=f"annotation {annotation}: {reason}",
            annotation=annotation,
        )

    def flawed_box(self, asset: AssetName, annotation: str, flaw: BoxFlaw) -> None:
        what = "was cut to the image" if flaw.kind == "clamped" else "has no area and was left out"
        self._findings.note(
            "boxes",
            flaw.kind,
            asset,
            f"the box of “{flaw.phrase}” {what}",
            annotation=annotation,
            phrase=flaw.phrase,
            bounds=flaw.bounds,
        )

    def missing_image(self, asset: AssetName, reason: str) -> None:
        self._findings.note("images", "missing", asset, f"the image was left out: {reason}")

    def odd_image(self, asset: AssetName, kind: str, reason: str) -> None:
        self._findings.note("images", kind, asset, reason)

    def renamed(self, asset: AssetName, member_name: str) -> None:
        self._findings.renamed(asset, member_name)

    def absorb(self, share: PartShare) -> None:
        self.assets += share.assets
        self.annotations += share.annotations
        self.images += share.images
        self.labels.absorb(share.labels)

    def share(self) -> PartShare:
        return PartShare(self.name, self.assets, self.annotations, self.images, self.labels.share())

    def summary(self) -> dict[str, Any]:
        return {
            "assets": self.assets,
            "annotations": self.annotations,
            "images": self.images,
            "labels": self.labels.as_dict(),
        }
