"""Two organizations with one of everything, and nobody who waits for a worker."""

from __future__ import annotations

import logging

import pytest
from pytest_django import Settings

from tests.doors.world import Place, furnish
from vi_portal.accounts.models import Organization, User


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
