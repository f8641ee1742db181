"""The receipt: what was asked, what was written, what was skipped and why. It goes into every archive.

Totals are counted as records pass by; lists are spooled, so memory does not grow with the dataset. No Django.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from exports.archive import Written
from exports.findings import Findings, FindingsShare
from exports.part_receipt import PartReceipt, PartShare
from exports.spooled_list import SpooledList

FILENAME = "export.json"
#: Why an asset makes no record without that being a fault of the export.
NO_ANNOTATIONS = "no annotations"

_json = msgspec.json.Encoder()


class Share(FindingsShare):
    """What the receipt of one shard tells the receipt of the whole."""

    parts: list[PartShare]


class Receipt:
    """Collects what one export comes to. Use as a context manager: it holds spool files in `folder`, which is made
    where it is missing.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.parts: list[PartReceipt] = []
        self.findings = Findings(folder)
        self._members = SpooledList(folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.findings.close()
        self._members.close()

    def part(self, name: str) -> PartReceipt:
        """The receipt of the part `name`, to be filled. Parts are listed in the order they are first asked for."""
        for part in self.parts:
            if part.name == name:
                return part
        self.parts.append(PartReceipt(self.findings, name))
        return self.parts[-1]

    def wrote_member(self, written: Written | None) -> None:
        """A member is in the archive; None where there is more of it to come."""
        if written is None:
            return
        known = {"sha256": written.sha256} if written.sha256 else {}
        self._members.append({"name": written.name, "size": written.size, "crc32": f"{written.crc32:08x}", **known})

    def share(self) -> Share:
        """All that was told so far, but for the members, which only the archive knows."""
        found = msgspec.structs.asdict(self.findings.share())
        return Share(**found, parts=[part.share() for part in self.parts])

    def absorb(self, share: Share) -> None:
        """Take over what another receipt was told, as if it had been told to this one next."""
        for part in share.parts:
            self.part(part.name).absorb(part)
        self.findings.absorb(share)

    @property
    def assets_written(self) -> int:
        return sum(part.assets for part in self.parts)

    @property
    def assets_skipped(self) -> int:
        return sum(self.findings.by_reason().values())

    @property
    def annotations_written(self) -> int:
        return sum(part.annotations for part in self.parts)

    def totals(self, *, counted: str) -> dict[str, Any]:
        """Asked = written + skipped, for assets, annotations and what is `counted` in them (boxes …)."""
        findings = self.findings
        annotations_skipped = findings.times("annotations", "skipped") + findings.lost_annotations
        items = sum(part.labels.total() for part in self.parts)
        lost = findings.times("boxes", "degenerate") + findings.lost_labels.total()
        images = sum(part.images for part in self.parts)
        missing = findings.times("images", "missing") + findings.lost_images

        def line(written: int, skipped: int) -> dict[str, int]:
            return {"asked": written + skipped, "written": written, "skipped": skipped}

        return {
            "assets": line(self.assets_written, self.assets_skipped),
            "annotations": line(self.annotations_written, annotations_skipped),
            **({counted: line(items, lost)} if counted else {}),
            **({"images": line(images, missing)} if images or missing else {}),
            **{part.name: part.assets for part in self.parts if part.name},
        }

    def chunks(self, *, head: dict[str, Any], counted: str) -> Iterator[bytes]:
        """The receipt as JSON, `head` first. To be called once every other member is written."""
        body = {
            **head,
            "totals": self.totals(counted=counted),
            "skipped_by_reason": self.findings.by_reason(),
            "warnings_by_kind": self.findings.by_kind(),
            "parts": {part.name or "all": part.summary() for part in self.parts},
        }
        yield b"{"
        for key, value in body.items():
            yield b"\n " + _json.encode(key) + b": " + _json.encode(value) + b","
        lists = {**self.findings.lists(), "members": self._members}
        for place, (key, spool) in enumerate(lists.items()):
            yield (b",\n " if place else b"\n ") + _json.encode(key) + b": "
            yield from spool.chunks()
        yield b"\n}\n"
