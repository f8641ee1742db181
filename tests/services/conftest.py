"""An archive with a name in two scripts, a large one, a job that goes on and on, and the ways to them.

The ways are those of a page and of a program, directly and behind nginx.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Literal
from urllib.parse import urlsplit

import httpx
import pytest

from tests.e2e.portal import ROOT, Portal, environment
from tests.frame.range_checks import Answer, Site, ask_over_http
from tests.services.nginx import NGINX, running_nginx
from tests.waiting import free_port, wait_until_up

SIZE, LARGE_SIZE = 300_017, 16 * 1024 * 1024 + 17
CONTENT = random.Random(7).randbytes(SIZE)

Door = Literal["page", "program"]

_MAKE = f"""
import hashlib, json, random, uuid
from datetime import timedelta
from django.test import Client
from django.urls import reverse
from exports import storage
from tests import cast
from tests.exports.jobs import make_running
from exports.models import ExportJob
from vi_portal.accounts.models import SecretKey, User

def finished(content):
    # As a worker does it: the sweep of the running portal removes a file that no job owns.
    token = uuid.uuid4()
    job = make_running(dataset, ana, lease_token=token)
    part = storage.part_path(job.pk, token)
    part.write_bytes(content)
    job.finish(
        archive=storage.publish(part), size=len(content), sha256=hashlib.sha256(content).hexdigest(),
        expires_at=job.created_at + timedelta(days=7),
    )
    return ExportJob.objects.get(pk=job.pk)

ana = User.objects.get(username="ana")
membership = ana.memberships.get()
dataset = cast.make_dataset(membership.organization, name="Ventile – 血液")
job = finished(random.Random(7).randbytes({SIZE}))
large = finished(random.Random(8).randbytes({LARGE_SIZE}))
running = make_running(dataset, ana)
browser = Client()
browser.force_login(ana, backend="django.contrib.auth.backends.ModelBackend")
organization = dataset.organization_id
print(json.dumps({{
    "key": SecretKey.objects.make(membership=membership, name="Downloads", read_only=True)[1],
    "session": browser.cookies["sessionid"].value,
    "page": reverse("download", args=[job.pk, storage.sign(job.pk, user_id=ana.pk), "archive.zip"]),
    "exports": f"/workspaces/{{organization}}/datasets/{{organization}}_{{dataset.pk}}/datasetExports",
    "job": str(job.pk), "large": str(large.pk), "running": str(running.pk),
    "key_in_storage": job.archive, "sha256": job.sha256, "filename": job.archive_filename, "sha256_large": large.sha256,
}}))
"""


@dataclass(frozen=True)
class Offered:
    """What there is, and what each kind of client needs to get at it. `job`, `large` and `running` are exports."""

    key: str
    session: str
    page: str
    exports: str
    job: str
    large: str
    running: str
    key_in_storage: str
    sha256: str
    sha256_large: str
    filename: str


@dataclass(frozen=True)
class Way:
    """One door of one web server."""

    address: str
    nginx: bool
    door: Door
    offered: Offered

    def ask(self, method: str = "GET", **headers: str) -> Answer:
        """Ask for the archive as a client of this door does."""
        if self.door == "page":
            return self.ask_for(self.offered.page, method, Cookie=f"sessionid={self.offered.session}", **headers)
        return self.ask_for(self.link(), method, **headers)

    def link(self) -> str:
        """The link a program is given here."""
        return link_to(self.offered.job, self.address, self.offered)

    def ask_for(self, path: str, method: str = "GET", **headers: str) -> Answer:
        port = urlsplit(self.address).port
        assert port is not None
        return ask_over_http(port, path, method, **headers)

    def site(self) -> Site:
        return Site(self.ask, CONTENT, self.nginx)


@cache
def link_to(export: str, address: str, offered: Offered) -> str:
    """The path by which a program fetches the archive of `export`. Asked for once: it is good for hours."""
    told = httpx.get(
        f"{address}{offered.exports}/{export}",
        headers={"Authorization": f"Bearer {offered.key}"},
        trust_env=False,
        timeout=30,
    ).json()
    url = str(told["status"]["downloadUrl"]["url"])
    assert url.startswith(address)
    return url.removeprefix(address)


@pytest.fixture(scope="package")
def offered(portal: Portal) -> Offered:
    return Offered(**json.loads(portal.manage("shell", "--verbosity", "0", "--command", _MAKE).splitlines()[-1]))


@pytest.fixture(scope="package")
def front(portal: Portal, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an nginx that sends the archives of `portal`; the web server behind it knows."""
    if NGINX is None:
        pytest.skip("There is no nginx on this machine.")
    folder = tmp_path_factory.mktemp("nginx")
    with (
        running_web_server(portal, X_ACCEL_REDIRECT="/archives/") as behind,
        running_nginx(folder, portal=behind, archives=portal.folder / "exports") as address,
    ):
        yield address


@pytest.fixture(params=["page", "program", "page behind nginx", "program behind nginx"])
def way(request: pytest.FixtureRequest, portal: Portal, offered: Offered) -> Way:
    door: Door = "page" if request.param.startswith("page") else "program"
    nginx = request.param.endswith("nginx")
    address = request.getfixturevalue("front") if nginx else portal.url
    return Way(address, nginx, door, offered)


@contextmanager
def running_web_server(portal: Portal, **settings: str) -> Iterator[str]:
    """Another web server of `portal`, with other settings; its address."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "vi_portal.wsgi"],
        cwd=ROOT,
        env=environment(portal.folder) | {"PORT": str(port)} | settings,
    )
    try:
        wait_until_up(process, lambda: _answers(port))
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=30)


def _answers(port: int) -> bool:
    try:
        return ask_over_http(port, "/sign-in/").status > 0
    except OSError:
        return False
