"""The receipt: what was asked, what was written, what was skipped and why. It goes into every archive.

Totals are counted as records pass by; lists are spooled, so memory does not grow with the dataset. No Django.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, NamedTuple, Self

import msgspec

from datasets.contents import BoxFlaw, LabelTally
from exports.archive import Written

FILENAME = "export.json"
#: Why an asset makes no record without that being a fault of the export.
NO_ANNOTATIONS = "no annotations"

#: Labels beyond this many are counted together, so that a dataset of endless phrases fits in memory.
MAX_LABELS = 20_000
OTHER_LABELS = "(all other labels)"
_MAX_EXAMPLES = 20
_PENDING_CHARACTERS = 128 * 1024
_MAX_PIECES = 50_000

_json = msgspec.json.Encoder()
_raw_values = msgspec.json.Decoder(list[msgspec.Raw])


class AssetName(NamedTuple):
    """How a report names an asset."""

    asset_id: str
    filename: str


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


class SpooledList:
    """A list of JSON values that is kept on disk once it is long."""

    def __init__(self, folder: Path) -> None:
        self._spool: IO[bytes] = tempfile.SpooledTemporaryFile(64 * 1024, "w+b", dir=str(folder))
        self.count = 0

    def append(self, value: Any) -> None:
        self._spool.write((b",\n  " if self.count else b"\n  ") + _json.encode(value))
        self.count += 1

    def extend(self, text: bytes) -> None:
        """Append every value of another list's `chunks`."""
        for value in _raw_values.decode(text):
            self.append(value)

    def chunks(self) -> Iterator[bytes]:
        """The whole list as JSON."""
        self._spool.seek(0)
        yield b"["
        while block := self._spool.read(1024 * 1024):
            yield block
        yield b"\n ]" if self.count else b"]"

    def close(self) -> None:
        self._spool.close()


class PartShare(msgspec.Struct):
    """What a `Share` says of one part."""

    name: str
    assets: int
    annotations: int
    images: int
    labels: LabelShare


class Share(msgspec.Struct):
    """What the receipt of one shard tells the receipt of the whole; lists are JSON texts."""

    parts: list[PartShare]
    skipped: dict[str, int]
    noted: dict[str, dict[str, int]]
    examples: list[str]
    lost_annotations: int
    lost_images: int
    lost_labels: LabelShare
    skipped_list: msgspec.Raw
    warnings: msgspec.Raw
    renamed: msgspec.Raw


class PartReceipt:
    """What one part of the export has come to; told by the source as records pass."""

    def __init__(self, receipt: Receipt, name: str) -> None:
        self._receipt = receipt
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
        self._receipt.skipped_asset(asset, reason)

    def skipped_pair(self, asset: AssetName, reason: str, labels: str) -> None:
        """An asset was left out for want of its image, and with it an annotation for each line of `labels`."""
        self._receipt.skipped_pair(asset, reason, labels)

    def skipped_annotation(self, asset: AssetName, annotation: str, reason: str) -> None:
        self._receipt.note(
            "annotations",
            "skipped",
            asset,
            reason,
            example=f"annotation {annotation}: {reason}",
            annotation=annotation,
        )

    def flawed_box(self, asset: AssetName, annotation: str, flaw: BoxFlaw) -> None:
        what = "was cut to the image" if flaw.kind == "clamped" else "has no area and was left out"
        self._receipt.note(
            "boxes",
            flaw.kind,
            asset,
            f"the box of “{flaw.phrase}” {what}",
            annotation=annotation,
            phrase=flaw.phrase,
            bounds=flaw.bounds,
        )

    def missing_image(self, asset: AssetName, reason: str) -> None:
        self._receipt.note("images", "missing", asset, f"the image was left out: {reason}")

    def odd_image(self, asset: AssetName, kind: str, reason: str) -> None:
        self._receipt.note("images", kind, asset, reason)

    def renamed(self, asset: AssetName, member_name: str) -> None:
        self._receipt.renamed(asset, member_name)

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


class Receipt:
    """Collects the findings of one export. Use as a context manager: it holds spool files in `folder`, which is made
    where it is missing.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.parts: list[PartReceipt] = []
        self._skipped: Counter[str] = Counter()
        self._noted: dict[str, Counter[str]] = {}
        self._examples: list[str] = []
        self._lost_annotations = self._lost_images = 0
        self._lost_labels = LabelCounts()
        self._skipped_list = SpooledList(folder)
        self._warnings = SpooledList(folder)
        self._renamed = SpooledList(folder)
        self._members = SpooledList(folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for spool in (self._skipped_list, self._warnings, self._renamed, self._members):
            spool.close()

    def part(self, name: str) -> PartReceipt:
        """The receipt of the part `name`, to be filled. Parts are listed in the order they are first asked for."""
        for part in self.parts:
            if part.name == name:
                return part
        self.parts.append(PartReceipt(self, name))
        return self.parts[-1]

    # What the parts, the source and the archive tell

    def skipped_asset(self, asset: AssetName, reason: str, *, expected: bool = False) -> None:
        """`asset` makes no record; `expected` reasons are no warning."""
        self._skipped[reason] += 1
        self._skipped_list.append({**asset._asdict(), "reason": reason})
        if not expected:
            self._example(asset, reason)

    def skipped_pair(self, asset: AssetName, reason: str, labels: str) -> None:
        """`asset` makes no record for want of its image; its annotations, one a line of `labels`, go with it."""
        self.skipped_asset(asset, f"the image was left out: {reason}")
        self._lost_images += 1
        self._lost_annotations += labels.count("\n") + 1
        self._lost_labels.add(labels)

    def note(self, group: str, kind: str, asset: AssetName, reason: str, *, example: str = "", **facts: Any) -> None:
        """Something about `asset` that the reader of the export should know."""
        self._noted.setdefault(group, Counter())[kind] += 1
        self._warnings.append({"what": f"{group}: {kind}", **asset._asdict(), "reason": reason, **facts})
        self._example(asset, example or reason)

    def renamed(self, asset: AssetName, member_name: str) -> None:
        self._renamed.append({**asset._asdict(), "name_in_archive": member_name})

    def wrote_member(self, written: Written | None) -> None:
        """A member is in the archive; None where there is more of it to come."""
        if written is None:
            return
        known = {"sha256": written.sha256} if written.sha256 else {}
        self._members.append({"name": written.name, "size": written.size, "crc32": f"{written.crc32:08x}", **known})

    # Shards

    def share(self) -> Share:
        """All that was told so far, but for the members, which only the archive knows."""
        return Share(
            parts=[part.share() for part in self.parts],
            skipped=dict(self._skipped),
            noted={group: dict(kinds) for group, kinds in self._noted.items()},
            examples=self._examples,
            lost_annotations=self._lost_annotations,
            lost_images=self._lost_images,
            lost_labels=self._lost_labels.share(),
            skipped_list=msgspec.Raw(b"".join(self._skipped_list.chunks())),
            warnings=msgspec.Raw(b"".join(self._warnings.chunks())),
            renamed=msgspec.Raw(b"".join(self._renamed.chunks())),
        )

    def absorb(self, share: Share) -> None:
        """Take over what another receipt was told, as if it had been told to this one next."""
        for part in share.parts:
            self.part(part.name).absorb(part)
        self._skipped.update(share.skipped)
        for group, kinds in share.noted.items():
            self._noted.setdefault(group, Counter()).update(kinds)
        self._examples += share.examples[: _MAX_EXAMPLES - len(self._examples)]
        self._lost_annotations += share.lost_annotations
        self._lost_images += share.lost_images
        self._lost_labels.absorb(share.lost_labels)
        self._skipped_list.extend(bytes(share.skipped_list))
        self._warnings.extend(bytes(share.warnings))
        self._renamed.extend(bytes(share.renamed))

    # What has come of it

    @property
    def assets_written(self) -> int:
        return sum(part.assets for part in self.parts)

    @property
    def assets_skipped(self) -> int:
        return self._skipped.total()

    @property
    def annotations_written(self) -> int:
        return sum(part.annotations for part in self.parts)

    def totals(self, *, counted: str) -> dict[str, Any]:
        """Asked = written + skipped, for assets, annotations and what is `counted` in them (boxes …)."""
        annotations_skipped = self._times("annotations", "skipped") + self._lost_annotations
        items = sum(part.labels.total() for part in self.parts)
        lost = self._times("boxes", "degenerate") + self._lost_labels.total()
        images = sum(part.images for part in self.parts)
        missing = self._times("images", "missing") + self._lost_images

        def line(written: int, skipped: int) -> dict[str, int]:
            return {"asked": written + skipped, "written": written, "skipped": skipped}

        return {
            "assets": line(self.assets_written, self.assets_skipped),
            "annotations": line(self.annotations_written, annotations_skipped),
            **({counted: line(items, lost)} if counted else {}),
            **({"images": line(images, missing)} if images or missing else {}),
            **{part.name: part.assets for part in self.parts if part.name},
        }

    def warnings(self) -> dict[str, Any]:
        """A summary for the job's row: counts by kind, and the first few in words."""
        found: dict[str, Any] = {group: dict(kinds) for group, kinds in self._noted.items()}
        if self._skipped:
            found["skipped"] = dict(self._skipped)
        if self._examples:
            found["examples"] = self._examples
        return found

    def chunks(self, *, head: dict[str, Any], counted: str) -> Iterator[bytes]:
        """The receipt as JSON, `head` first. To be called once every other member is written."""
        body = {
            **head,
            "totals": self.totals(counted=counted),
            "skipped_by_reason": dict(self._skipped),
            "warnings_by_kind": {group: dict(kinds) for group, kinds in self._noted.items()},
            "parts": {part.name or "all": part.summary() for part in self.parts},
        }
        yield b"{"
        for key, value in body.items():
            yield b"\n " + _json.encode(key) + b": " + _json.encode(value) + b","
        lists = (
            ("skipped", self._skipped_list),
            ("warnings", self._warnings),
            ("renamed", self._renamed),
            ("members", self._members),
        )
        for place, (key, spool) in enumerate(lists):
            yield (b",\n " if place else b"\n ") + _json.encode(key) + b": "
            yield from spool.chunks()
        yield b"\n}\n"

    def _times(self, group: str, kind: str) -> int:
        """How often something of this kind was noted."""
        return self._noted.get(group, Counter())[kind]

    def _example(self, asset: AssetName, text: str) -> None:
        if len(self._examples) < _MAX_EXAMPLES:
            self._examples.append(f"{asset.filename[:120]}: {text}")
