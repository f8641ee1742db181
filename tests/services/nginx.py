"""A real nginx in front of the portal, with the configuration the README shows."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.waiting import free_port, listens, wait_until_up

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")

_CONFIGURATION = """
{user}
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 256; }}
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
    port = free_port()
    user = "user root;" if os.getuid() == 0 else ""
    folder.mkdir(parents=True, exist_ok=True)
    configuration = folder / "nginx.conf"
    configuration.write_text(
        _CONFIGURATION.format(user=user, folder=folder, port=port, portal=portal, archives=archives)
    )
    assert NGINX is not None
    process = subprocess.Popen([NGINX, "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(configuration)])
    try:
        wait_until_up(process, lambda: listens(port), log=folder / "error.log")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=20)
