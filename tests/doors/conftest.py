"""Two organizations with one of everything, and nobody who waits for a worker."""

from __future__ import annotations

import logging

import pytest
from pytest_django import Settings
from schemathesis.pytest.plugin import SchemathesisFunction

from tests.doors.world import Place, furnish
from vi_portal.accounts.models import Organization, User


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give the test of each documented operation an id of its own: of those with the same one, only one would run."""
    for item in items:
        if isinstance(item, SchemathesisFunction):
            item._id = item._id.with_params(item.operation_label)


@pytest.fixture(autouse=True)
def nobody_waits(settings: Settings) -> None:
    settings.EXPORT_WAITERS = 0


@pytest.fixture(autouse=True)
def few_words(caplog: pytest.LogCaptureFixture) -> None:
    """A line for each of a thousand refusals would be most of the work."""
    caplog.set_level(logging.ERROR, "django.request")


@pytest.fixture
def acmes(acme: Organization, ana: User) -> Place:
    return furnish(acme, ana)


@pytest.fixture
def borealis(chloe: User) -> Place:
    return furnish(chloe.memberships.get().organization, chloe)
