"""The vendor's loader, started once for all that read exports with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.exports.formats.vi_fulls import Load
from tests.exports.reading import archive_path
from tests.exports.vi_loader import Loader, vi_loader


@pytest.fixture(scope="session")
def loader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loader]:
    with vi_loader(tmp_path_factory.mktemp("home")) as loader:
        yield loader


@pytest.fixture
def load(loader: Loader, tmp_path: Path) -> Load:
    return lambda job: loader(tmp_path / str(job.pk), archive_path(job))
