"""The vendor's client, unmodified, against a portal that runs as `make run` starts it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.e2e.portal import Portal

_MAKE_KEY = """
import json
from datasets.models import Dataset
from vi_portal.accounts.models import Membership, Organization, SecretKey, User
def key(name, read_only=False):
    membership = Membership.objects.get(user__username=name)
    return SecretKey.objects.make(membership=membership, name="Test", read_only=read_only)[1]
borealis = Organization.objects.create(name="Borealis")
Membership.objects.create(user=User.objects.create(username="chloe"), organization=borealis, role="owner")
acme = Membership.objects.get(user__username="ana").organization
print(json.dumps({
    "organization": str(acme.pk), "other": str(borealis.pk),
    "datasets": {dataset.name: str(dataset.pk) for dataset in Dataset.objects.all()},
    "ana": key("ana"), "ana_reads": key("ana", read_only=True), "ben": key("ben"), "chloe": key("chloe"),
}))
"""


@dataclass(frozen=True)
class Place:
    """The running portal, its ids, and the keys of its people."""

    portal: Portal
    organization: str
    other: str
    datasets: dict[str, str]
    keys: dict[str, str]
    _kept: list[Any] = field(default_factory=list)

    def client(self, who: str = "ana", *, organization: str = "", key: str = "") -> Any:
        """A client of the vendor's."""
        import vi

        made = vi.Client(
            secret_key=key or self.keys[who],
            organization_id=organization or self.organization,
            endpoint=self.portal.url,
        )
        # Its parts stop working as soon as nobody holds the client itself.
        self._kept.append(made)
        return made


@pytest.fixture(scope="package")
def place(portal: Portal, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    kept = {name: os.environ.get(name) for name in ("HOME", "NO_PROXY", "VI_ENABLE_FILE")}
    os.environ |= {
        "HOME": str(tmp_path_factory.mktemp("home")),
        "NO_PROXY": "127.0.0.1",
        "VI_ENABLE_FILE": "false",
    }
    try:
        told = json.loads(portal.manage("shell", "--verbosity", "0", "--command", _MAKE_KEY).splitlines()[-1])
        keys = {name: told[name] for name in ("ana", "ana_reads", "ben", "chloe")}
        yield Place(portal, told["organization"], told["other"], told["datasets"], keys)
    finally:
        for name, value in kept.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
