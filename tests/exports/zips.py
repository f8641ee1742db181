"""Small archives for tests."""

from __future__ import annotations

from pathlib import Path

from exports.archive import ArchiveWriter
from exports.records import Member

TEXT = b'{"asset_id":"1"}\n' * 5000


def write(path: Path, *members: Member) -> Path:
    writer = ArchiveWriter(path)
    for member in members:
        writer.add(member)
    writer.close()
    return path
