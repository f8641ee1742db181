"""The nginx configuration that is given to administrators, as a real nginx reads it, before a web server of ours."""

from __future__ import annotations

import datetime
import os
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.services.nginx import NGINX
from tests.waiting import free_port, listens, wait_until, wait_until_up

GIVEN = Path(__file__).parents[2] / "deploy" / "nginx"


class Told(BaseHTTPRequestHandler):
    """Answers with what it was asked."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = f"{self.path}\n{self.headers}".encode()
        self.send_response(200)
        if self.path.startswith("/archive"):
            self.send_header("X-Accel-Redirect", "/archives/one.zip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@dataclass(frozen=True)
class Front:
    """A running nginx: its two ports, its folder, and a client that trusts it."""

    plain: int
    tls: int
    folder: Path
    client: httpx.Client

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.client.get(f"https://localhost:{self.tls}{path}", headers=headers)

    def log(self, until: str) -> str:
        """The access log, once it has `until` in it."""
        log = self.folder / "vi-portal.log"
        wait_until(lambda: until in log.read_text(), what=f"the log tells of {until}")
        return log.read_text()


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    if NGINX is None:
        pytest.skip("There is no nginx on this machine.")
    folder = tmp_path_factory.mktemp("given-nginx")
    behind = ThreadingHTTPServer(("127.0.0.1", 0), Told)
    Thread(target=behind.serve_forever, daemon=True).start()
    plain, tls = free_port(), free_port()
    _write(folder, plain=plain, tls=tls, behind=behind.server_port)
    command = [NGINX, "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")]
    tested = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
    assert tested.returncode == 0, tested.stderr
    assert "[warn]" not in tested.stderr
    process = subprocess.Popen(command)
    trusted = ssl.create_default_context(cafile=str(folder / "vi-portal" / "tls" / "certificate.pem"))
    try:
        wait_until_up(process, lambda: listens(tls))
        with httpx.Client(verify=trusted, trust_env=False) as client:
            yield Front(plain, tls, folder, client)
    finally:
        process.terminate()
        process.wait(timeout=20)
        behind.shutdown()
        behind.server_close()


def _write(folder: Path, *, plain: int, tls: int, behind: int) -> None:
    """The configuration as given, but for the ports, the logs and the folder of the archives."""
    text = (GIVEN / "vi-portal.conf").read_text()
    moved = {
        "listen 80 ": f"listen 127.0.0.1:{plain} ",
        "listen 443 ": f"listen 127.0.0.1:{tls} ",
        "/var/log/nginx/": f"{folder}/",
        "/var/lib/vi-portal/": f"{folder}/",
    }
    for given, here in moved.items():
        assert given in text
        text = text.replace(given, here)
    (folder / "site.conf").write_text(text)
    user = "user root;" if os.getuid() == 0 else ""
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    (folder / "nginx.conf").write_text(
        f"{user} daemon off; worker_processes 1; pid {folder}/pid; events {{ worker_connections 64; }}"
        f"http {{ {temporary} include {folder}/site.conf; }}"
    )
    (folder / "vi-portal" / "tls").mkdir(parents=True)
    web = (GIVEN / "web.conf").read_text()
    assert "127.0.0.1:8000" in web
    (folder / "vi-portal" / "web.conf").write_text(web.replace("127.0.0.1:8000", f"127.0.0.1:{behind}"))
    (folder / "exports").mkdir()
    (folder / "exports" / "one.zip").write_bytes(b"an archive")
    _make_certificate(folder / "vi-portal" / "tls")


def _make_certificate(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    (folder / "certificate.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )  # fmt: skip


def test_the_portal_hears_who_asks_and_how_whatever_the_sender_claims(front: Front) -> None:
    told = front.get("/page?a=b", **{"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Host": "evil.example"}).text
    assert told.startswith("/page?a=b\n")
    assert f"\nHost: localhost:{front.tls}\n" in told
    assert f"\nX-Forwarded-Host: localhost:{front.tls}\n" in told
    assert "\nX-Forwarded-Proto: https\n" in told
    assert "\nX-Forwarded-For: 127.0.0.1\n" in told
    assert "evil" not in told


def test_the_log_has_what_was_asked_for_but_nothing_that_opens_it(front: Front) -> None:
    front.get("/api/archives/5f2b/BCCD.zip?credential=1.1795386924521.secret")
    front.get("/exports/5f2b0000-0000-4000-8000-000000000006/download/1vabc:secret/BCCD.zip?x=secret")
    front.client.get(f"http://localhost:{front.plain}/plain?credential=secret")
    front.get("/the-last")
    log = front.log(until="/the-last")
    assert '"GET /api/archives/5f2b/BCCD.zip" 200' in log
    assert '"GET /exports/5f2b0000-0000-4000-8000-000000000006/download/***" 200' in log
    assert '"GET /plain" 301' in log
    assert "secret" not in log


def test_plain_http_leads_to_https(front: Front) -> None:
    answer = front.client.get(f"http://localhost:{front.plain}/datasets/?page=2")
    assert answer.status_code == 301
    assert answer.headers["Location"] == "https://localhost/datasets/?page=2"


@pytest.mark.parametrize("path", ["/metrics", "/metrics/", "/metrics?x=y", "/%6detrics", "//metrics"])
def test_metrics_are_closed(front: Front, path: str) -> None:
    assert front.get(path).status_code == 404


def test_archives_come_from_disk_once_the_portal_says_so(front: Front) -> None:
    assert front.get("/archive").content == b"an archive"
    assert front.get("/archive", Range="bytes=3-5").content == b"arc"
    assert front.get("/archives/one.zip").status_code == 404
