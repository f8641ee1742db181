"""Archives sent by a real nginx in front of the portal."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from pytest_django.live_server_helper import LiveServer

from datasets.models import Dataset
from exports import runner
from exports.models import ExportJob
from exports.spec import ExportSpec
from tests import cast
from vi_portal.accounts.models import SecretKey, User
from vi_portal.jobs.progress import Progress

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "snapshot"]),
    pytest.mark.skipif(NGINX is None, reason="There is no nginx on this machine."),
]

_CONFIGURATION = """
{user}
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass {portal};
            proxy_set_header Host $http_host;
        }}
        location /archives/ {{
            internal;
            alias {archives}/;
            add_header X-Checksum-SHA256 $upstream_http_x_checksum_sha256;
        }}
    }}
}}
"""


@contextmanager
def running_nginx(folder: Path, *, portal: str, archives: Path) -> Iterator[str]:
    """An nginx in front of `portal`, for as long as the block runs; its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    user = "user root;" if os.getuid() == 0 else ""
    configuration = folder / "nginx.conf"
    configuration.write_text(
        _CONFIGURATION.format(user=user, folder=folder, port=port, portal=portal, archives=archives)
    )
    assert NGINX is not None
    process = subprocess.Popen([NGINX, "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(configuration)])
    try:
        deadline = time.monotonic() + 20
        while process.poll() is None and time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
        else:
            pytest.fail((folder / "error.log").read_text())
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=20)


def test_nginx_sends_archives_and_their_ranges_and_nothing_without_a_link(
    live_server: LiveServer, ana: User, valves: Dataset, settings: Any, tmp_path: Path
) -> None:
    settings.X_ACCEL_REDIRECT = "/archives/"
    cast.make_annotated(valves, 200)
    job = ExportJob.of(ExportSpec().resolved(), dataset=valves, user=ana)
    runner.run(job.pk, worker="test", progress=Progress(lambda progress: None))
    job.refresh_from_db()
    _, text = SecretKey.objects.make(membership=ana.memberships.get(), name="Test", read_only=True)
    names = (valves.organization_id, f"{valves.organization_id}_{valves.pk}", job.pk)
    folder = tmp_path / "nginx"
    folder.mkdir()
    with (
        running_nginx(folder, portal=live_server.url, archives=settings.ARCHIVE_DIR) as front,
        httpx.Client(trust_env=False) as program,
    ):
        told = program.get(
            f"{front}/workspaces/{names[0]}/datasets/{names[1]}/datasetExports/{names[2]}",
            headers={"Authorization": f"Bearer {text}"},
        ).json()
        link = told["status"]["downloadUrl"]["url"]
        assert link.startswith(front)
        whole = program.get(link)
        assert hashlib.sha256(whole.content).hexdigest() == job.sha256 == whole.headers["X-Checksum-SHA256"]
        assert job.archive_filename in whole.headers["Content-Disposition"]
        head = program.head(link)
        assert (head.status_code, head.headers["Content-Length"]) == (200, str(job.size))
        tag = head.headers["ETag"]
        for asked, start, stop in (("0-0", 0, 1), ("100-199", 100, 200), ("-5", len(whole.content) - 5, None)):
            part = program.get(link, headers={"Range": f"bytes={asked}", "If-Range": tag})
            assert (part.status_code, part.content) == (206, whole.content[start:stop])
        assert program.get(link, headers={"Range": f"bytes={job.size}-"}).status_code == 416
        assert program.get(link, headers={"If-None-Match": tag}).status_code == 304
        assert program.get(link, headers={"If-Match": '"other"'}).status_code == 412
        assert program.get(f"{front}/archives/{job.archive}").status_code == 404
        assert program.get(link[:-2]).status_code == 403
