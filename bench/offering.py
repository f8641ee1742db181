"""An archive to download: exported as a worker does it, and offered as the portal does, with and without nginx."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import overload

import httpx
from django.conf import settings
from django.core.management import call_command
from django.db import connections

from bench import generate, product
from bench.measure import Outcome, measure
from bench.watching import child_of
from exports.models import ExportJob
from exports.spec import ExportSpec
from tests.services.nginx import NGINX, running_nginx
from tests.waiting import free_port
from vi_portal.accounts.models import Membership, SecretKey, User

_IMAGE = 1_000_000


@dataclass(frozen=True)
class Archive:
    """A finished export, and a secret key that opens it. `peak` is the memory its worker held, in bytes."""

    size: int
    sha256: str
    dataset: str
    organization: str
    export: str
    key: str
    seconds: float
    peak: int


@dataclass(frozen=True)
class Server:
    """Where the archive is offered; `pid` is the process behind it that answers requests."""

    name: str
    address: str
    pid: int
    link: str


class _Images(Sequence[bytes]):
    """JPEG files of about a megabyte that do not compress, made when they are asked for."""

    def __init__(self, count: int) -> None:
        self._count, self._drawn = count, generate.make_images(min(count, 16))

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> bytes: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[bytes]: ...
    def __getitem__(self, index: int | slice) -> bytes | Sequence[bytes]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(self._count))]
        drawn = self._drawn[index % len(self._drawn)]
        return drawn + random.Random(index).randbytes(_IMAGE - len(drawn))


def make_archive(megabytes: int) -> Archive:
    """Export about so many megabytes, in a process of its own. The one before it makes the dataset."""
    for work in (_migrate, partial(_make, max(megabytes * 1_000_000 // _IMAGE, 1))):
        measure(work)
    cost = measure(_export)
    job = ExportJob.objects.select_related("dataset").get()
    membership = Membership.objects.create(
        user=User.objects.create(username="bench"), organization=job.dataset.organization, role="owner"
    )
    _, key = SecretKey.objects.make(membership=membership, name="Bench", read_only=True)
    connections.close_all()
    return Archive(
        size=job.size or 0,
        sha256=job.sha256,
        dataset=str(job.dataset_id),
        organization=str(job.dataset.organization_id),
        export=str(job.pk),
        key=key,
        seconds=cost.wall,
        peak=cost.peak,
    )


@contextmanager
def running_servers(archive: Archive, folder: Path, *, nginx: bool) -> Iterator[list[Server]]:
    """The portal's web server and, where there is an nginx, a second one behind it."""
    with ExitStack() as running:
        Path(settings.STATIC_ROOT).mkdir(exist_ok=True)
        address, pid = running.enter_context(_web_server(X_ACCEL_REDIRECT=""))
        servers = [Server("portal", address, pid, _link(archive, address))]
        if nginx and NGINX:
            behind, pid = running.enter_context(_web_server(X_ACCEL_REDIRECT="/archives/"))
            front = running_nginx(folder / "nginx", portal=behind, archives=Path(settings.ARCHIVE_DIR))
            address = running.enter_context(front)
            servers.append(Server("nginx", address, pid, _link(archive, address)))
        yield servers


def _migrate() -> Outcome:
    call_command("migrate", verbosity=0)
    connections.close_all()
    return {}


def _make(images: int) -> Outcome:
    generate.make_dataset("Downloads", kind="phrase-grounding", assets=images, images=_Images(images))
    connections.close_all()
    return {}


def _export() -> Outcome:
    from datasets.models import Dataset

    return product.whole_job(Dataset.objects.get(), ExportSpec(include_images=True))


@contextmanager
def _web_server(**more: str) -> Iterator[tuple[str, int]]:
    """The address of a web server, and the process that answers there."""
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "vi_portal.wsgi"]
    process = subprocess.Popen(command, env=os.environ | {"PORT": str(port)} | more)
    try:
        deadline = time.monotonic() + 30
        while not _answers(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("The web server did not start.")
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}", child_of(process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/api/openapi.json", trust_env=False).status_code > 0
    except httpx.TransportError:
        return False


def _link(archive: Archive, address: str) -> str:
    dataset = f"{archive.organization}_{archive.dataset}"
    path = f"/workspaces/{archive.organization}/datasets/{dataset}/datasetExports/{archive.export}"
    told = httpx.get(address + path, headers={"Authorization": f"Bearer {archive.key}"}, trust_env=False, timeout=30)
    return str(told.json()["status"]["downloadUrl"]["url"])
