"""Fixtures: the cast of `tests.cast`, signed in or not, and folders of each test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.contenttypes.management import create_contenttypes
from django.contrib.contenttypes.models import ContentType
from django.db.models.signals import post_migrate
from django.test import Client
from xdist.remote import Producer

from datasets.models import Dataset
from exports.moments import moments
from tests import cast
from tests.e2e.portal import Portal, running_portal
from tests.side_by_side import SideBySide, programs, turn
from vi_portal.accounts.models import Organization, Role, User
from vi_portal.jobs.forecast import lookout


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> SideBySide:
    return SideBySide(config, log)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    return programs()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):  # one of several programs
        items.sort(key=lambda item: turn(item.nodeid))


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None) -> None:
    """The database; emptied after each test that commits, and then not filled with permissions that nobody asks for.

    To make these anew took longer than most of the tests.
    """
    post_migrate.disconnect(dispatch_uid="django.contrib.auth.management.create_permissions")
    post_migrate.disconnect(create_contenttypes)


@pytest.fixture(autouse=True)
def own_content_types() -> None:
    """They are made where they are needed; those of the test before are not there any more."""
    ContentType.objects.clear_cache()


@pytest.fixture(autouse=True)
def own_folders(settings: pytest.FixtureRequest, tmp_path: Path) -> None:
    """No test sees another's files."""
    settings.MEDIA_ROOT = tmp_path / "media"  # type: ignore[attr-defined]  # settings take any name
    settings.ARCHIVE_DIR = tmp_path / "exports"  # type: ignore[attr-defined]
    settings.SPOOL_DIR = tmp_path / "spool"  # type: ignore[attr-defined]
    settings.UPLOAD_DIR = tmp_path / "uploads"  # type: ignore[attr-defined]


@pytest.fixture(autouse=True)
def nothing_of_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept for a moment is none of the test before."""
    monkeypatch.setattr(lookout, "seconds", 0.0)
    monkeypatch.setattr(lookout, "_until", 0.0)
    monkeypatch.setattr(moments, "_kept", {})


@pytest.fixture(scope="session")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    """The whole portal as `make run` starts it, with the demo and a real dataset; one for browsers and clients."""
    with running_portal(tmp_path_factory.mktemp("portal")) as running:
        running.import_bccd()
        yield running


@pytest.fixture
def acme(db: None) -> Organization:
    return cast.make_organization("Acme")


@pytest.fixture
def ana(acme: Organization) -> User:
    return cast.make_member(acme, "ana", role=Role.OWNER)


@pytest.fixture
def ben(acme: Organization) -> User:
    return cast.make_member(acme, "ben", role=Role.VIEWER)


@pytest.fixture
def chloe(db: None) -> User:
    return cast.make_member(cast.make_organization("Borealis"), "chloé", role=Role.OWNER)


@pytest.fixture
def valves(acme: Organization) -> Dataset:
    return cast.make_dataset(acme, name="Valves")


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def as_ana(ana: User) -> Client:
    return signed_in(ana)


@pytest.fixture
def as_ben(ben: User) -> Client:
    return signed_in(ben)


@pytest.fixture
def as_chloe(chloe: User) -> Client:
    return signed_in(chloe)
