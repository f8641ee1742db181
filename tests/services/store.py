"""An S3-compatible store for tests: Swift or a moto server, and a way to it that can be made to fail."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import boto3.session

from tests.services.swift import KEY, SECRET
from tests.waiting import free_port, listens, wait_until_up


@dataclass(frozen=True)
class Store:
    """A server on this machine. Each takes parts of 1000 bytes and more; a real one checks signatures, but the one
    here knows no CRC-32 checksums."""

    port: int
    is_real: bool


@contextmanager
def running_store() -> Iterator[Store]:
    """The Swift that TEST_STORE_URL names; else a moto server, which checks no signatures, while the block runs."""
    if address := os.environ.get("TEST_STORE_URL"):
        yield Store(urlsplit(address).port or 80, is_real=True)
        return
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "--port", str(port)],
        env=os.environ | {"S3_UPLOAD_PART_MIN_SIZE": "1000"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until_up(server, lambda: listens(port))
        yield Store(port, is_real=False)
    finally:
        server.terminate()
        server.wait(timeout=10)


#: What befalls a request: a status to answer with, no answer at all, or a part of the answer's body after which the
#: connection ends. With `done`, the store did all the same what was asked.
@dataclass(frozen=True)
class Fault:
    status: int = 0
    cut_after: int | None = None
    after_seconds: float = 0.0
    silent: bool = False
    done: bool = False


@dataclass
class Asked:
    """A request that came by, with `size` bytes in its body."""

    method: str
    path: str
    size: int
    headers: dict[str, str] = field(default_factory=dict)


def fails(*methods: str, status: int = 500, having: str = "") -> Callable[[Asked], Fault | None]:
    """A fault of all requests of these methods, or of any, with `having` in their path."""

    def fault(asked: Asked) -> Fault | None:
        return Fault(status) if having in asked.path and (not methods or asked.method in methods) else None

    return fault


class _Quiet(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever asked is gone, or the store is; that is what it is there for."""


class Way:
    """A server in front of the store at `port`, through which the store is as good or as bad as wanted.

    `fault` decides what befalls each request, and may be changed at any time. `asked` keeps them all.
    """

    fault: Callable[[Asked], Fault | None]

    def __init__(self, port: int) -> None:
        self.asked: list[Asked] = []
        self.answer_well()
        way = self

        class Passing(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def pass_on(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                asked = Asked(self.command, self.path, len(body), dict(self.headers))
                way.asked.append(asked)
                fault = way.fault(asked) or Fault()
                time.sleep(fault.after_seconds)
                fails = bool(fault.status) or fault.silent
                if fails and not fault.done:
                    self._fail(fault)
                    return
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
                connection.request(self.command, self.path, body, dict(self.headers))
                answer = connection.getresponse()
                body = answer.read()
                connection.close()
                if fails:
                    self._fail(fault)
                else:
                    self._answer(answer.status, answer.getheaders(), body, cut_after=fault.cut_after)

            do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = pass_on  # noqa: N815 - http.server names them

            def _fail(self, fault: Fault) -> None:
                if fault.silent:
                    self.close_connection = True
                else:
                    self._answer(fault.status, [], b"<Error><Code>InternalError</Code></Error>")

            def _answer(
                self, status: int, headers: list[tuple[str, str]], body: bytes, cut_after: int | None = None
            ) -> None:
                self.send_response(status)
                own = ("connection", "server", "date", "transfer-encoding")
                told = [(name, value) for name, value in headers if name.lower() not in own]
                if not any(name.lower() == "content-length" for name, _ in told):
                    told.append(("Content-Length", str(len(body))))
                for name, value in told:
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body[:cut_after])
                if cut_after is not None:
                    self.close_connection = True

            def log_message(self, *_: Any) -> None:
                pass

        self._server = _Quiet(("127.0.0.1", 0), Passing)
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"
        Thread(target=self._server.serve_forever, daemon=True).start()

    def answer_well(self) -> None:
        """All that comes is passed on."""
        self.fault = lambda asked: None

    def answer_500(self, *methods: str, having: str = "", status: int = 500) -> None:
        """An error instead, to requests of these methods, or of any, with `having` in their path."""
        self.fault = fails(*methods, having=having, status=status)

    def answer_slowly(self, seconds: float, *methods: str) -> None:
        """All that comes, or what is of these methods, is passed on after so long."""
        self.fault = lambda asked: Fault(after_seconds=seconds) if not methods or asked.method in methods else None

    def hang_up(self) -> None:
        """Whoever asks hears nothing, and the connection ends."""
        self.fault = lambda asked: Fault(silent=True)

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def client_of(port: int) -> Any:
    """A client of the store at `port` that is not the portal's."""
    session = boto3.session.Session(aws_access_key_id=KEY, aws_secret_access_key=SECRET, region_name="us-east-1")
    return session.client("s3", endpoint_url=f"http://127.0.0.1:{port}")


class Bucket:
    """What a bucket holds, seen from outside the portal."""

    def __init__(self, name: str, client: Any) -> None:
        self.name = name
        self.client = client
        client.create_bucket(Bucket=name)

    def keys(self, prefix: str = "") -> list[str]:
        found = self.client.list_objects_v2(Bucket=self.name, Prefix=prefix)
        return [each["Key"] for each in found.get("Contents", ())]

    def read(self, key: str) -> bytes:
        body: bytes = self.client.get_object(Bucket=self.name, Key=key)["Body"].read()
        return body

    def put(self, key: str, content: bytes) -> None:
        self.client.put_object(Bucket=self.name, Key=key, Body=content)

    def unfinished(self) -> list[str]:
        return [each["Key"] for each in self.client.list_multipart_uploads(Bucket=self.name).get("Uploads", ())]

    def begin(self, key: str) -> None:
        """An upload in parts that nobody will finish."""
        upload = self.client.create_multipart_upload(Bucket=self.name, Key=key)["UploadId"]
        self.client.upload_part(Bucket=self.name, Key=key, UploadId=upload, PartNumber=1, Body=b"half")
