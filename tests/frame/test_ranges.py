"""Downloads in parts: every check in the test client, and once more over a real server that uses sendfile."""

from __future__ import annotations

import base64
import hashlib
import http.client
import random
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest
from django.test import Client

from tests.frame.gunicorns import ask, running_gunicorn
from tests.frame.range_checks import Answer, Check, Site, every_check, verify
from tests.frame.ranged_site import FILENAME

ROOT = Path(__file__).parents[2]
SIZE = 5 * 1024 * 1024 + 17


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ranges") / "archive.zip"
    path.write_bytes(random.Random(7).randbytes(SIZE))
    return path


@pytest.fixture(scope="module")
def port(file: Path) -> Iterator[int]:
    """The port of a gunicorn that serves the file, in a process of its own."""
    with running_gunicorn(file) as started:
        yield started.port


@pytest.fixture(params=["test client", "gunicorn"])
def site(request: pytest.FixtureRequest, file: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    content = file.read_bytes()
    if request.param == "gunicorn":
        port = request.getfixturevalue("port")
        return Site(lambda method="GET", **headers: ask(port, method, **headers), content)
    settings = request.getfixturevalue("settings")
    settings.ROOT_URLCONF = "tests.frame.ranged_site"
    settings.MIDDLEWARE = []
    monkeypatch.setenv("FILE", str(file))
    monkeypatch.setenv("SHA256", hashlib.sha256(content).hexdigest())

    def asked(method: str = "GET", **headers: str) -> Answer:
        response = Client().generic(method, "/file", headers=headers)
        return Answer(response.status_code, response.headers, response.getvalue())

    return Site(asked, content)


@every_check
def test_range(site: Site, check: Check) -> None:
    verify(site, check)


def test_what_is_told_of_the_whole_file(site: Site) -> None:
    headers = site.ask().headers
    digest = hashlib.sha256(site.content).hexdigest()
    assert headers["Content-Type"] == "application/zip"
    assert headers["ETag"] == f'"{digest}"'
    assert headers["X-Checksum-SHA256"] == digest
    assert headers["Cache-Control"].startswith("private")


def test_the_digest_header_is_that_of_the_whole_file(site: Site) -> None:
    digest = f"sha-256=:{base64.b64encode(hashlib.sha256(site.content).digest()).decode()}:"
    assert site.ask().headers["Repr-Digest"] == digest
    assert site.ask(Range="bytes=0-9").headers["Repr-Digest"] == digest


def test_the_name_is_one_any_browser_reads(site: Site) -> None:
    disposition = site.ask("HEAD").headers["Content-Disposition"]
    assert disposition.startswith("attachment; filename*=utf-8''")
    assert unquote(disposition.split("''")[1]) == FILENAME


def test_an_interrupted_download_resumes_to_the_same_file(port: int, file: Path) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/file")
    response = connection.getresponse()
    begun = response.read(SIZE // 3)
    tag = response.headers["ETag"]
    connection.close()
    rest = ask(port, Range=f"bytes={len(begun)}-", **{"If-Range": tag})
    assert rest.status == 206
    assert hashlib.sha256(begun + rest.body).digest() == hashlib.sha256(file.read_bytes()).digest()


def test_a_connection_can_be_used_again_after_a_range(port: int, file: Path) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    for start in (0, 70_000, SIZE - 5):
        connection.request("GET", "/file", headers={"Range": f"bytes={start}-{start + 4}"})
        assert connection.getresponse().read() == file.read_bytes()[start : start + 5]
    connection.close()


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    large = tmp_path / "large.zip"
    with large.open("wb") as written:
        written.truncate(192 * 1024 * 1024)
    with running_gunicorn(large) as server:
        ask(server.port, Range="bytes=0-9")
        before = server.memory()
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        for headers in ({}, {"Range": "bytes=100-"}):
            connection.request("GET", "/file", headers=headers)
            response = connection.getresponse()
            received = 0
            while block := response.read(1024 * 1024):
                received += len(block)
            assert received == int(response.headers["Content-Length"])
        connection.close()
        assert server.memory() - before < 16 * 1024 * 1024
