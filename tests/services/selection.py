"""A plugin of pytest that leaves out the tests which no server could change: those that touch no database."""

from __future__ import annotations

import pytest

_DATABASES = {"db", "transactional_db", "portal"}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    left_out = [item for item in items if not _touches_database(item)]
    items[:] = [item for item in items if _touches_database(item)]
    config.hook.pytest_deselected(items=left_out)


def _touches_database(item: pytest.Item) -> bool:
    fixtures = set(getattr(item, "fixturenames", ()))
    return item.get_closest_marker("django_db") is not None or bool(fixtures & _DATABASES)
