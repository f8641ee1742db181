"""What anything that serves a file in parts must answer: one table, for every door and every server in front."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

EVERYTHING = slice(None)


@dataclass(frozen=True)
class Answer:
    """`headers` are looked up without regard to case."""

    status: int
    headers: Mapping[str, Any] | http.client.HTTPMessage
    body: bytes


@dataclass(frozen=True)
class Site:
    """Where a file is served, and what it holds. `nginx` where that sends it."""

    ask: Callable[..., Answer]
    content: bytes
    nginx: bool = False

    def tag(self) -> str:
        """What the server itself calls the file."""
        return str(self.ask("HEAD").headers["ETag"])


@dataclass(frozen=True)
class Check:
    """One request and its answer. In headers, {tag} is the file's and the other fields are places in it.

    `nginx` is the status that nginx answers with, where the RFC leaves a choice and it chooses otherwise.
    """

    name: str
    status: int
    part: slice = field(default_factory=lambda: EVERYTHING)
    headers: dict[str, str] = field(default_factory=dict)
    method: str = "GET"
    nginx: int = 0


def _range(name: str, asked: str, status: int, part: slice = EVERYTHING, **more: Any) -> Check:
    headers = more.pop("headers", {})
    return Check(name, status, part, {"Range": asked} | headers, **more)


def _if(condition: str, name: str, value: str, status: int) -> Check:
    return Check(f"{condition}: {name}", status, slice(10), {"Range": "bytes=0-9", condition: value})


_OTHER, _DATE = '"another"', "Sun, 22 Nov 2026 17:46:00 GMT"

CHECKS = [
    Check("the whole file", 200),
    Check("HEAD", 200, method="HEAD"),
    _range("HEAD ignores ranges", "bytes=0-9", 200, method="HEAD", nginx=206),
    _range("the first byte", "bytes=0-0", 206, slice(1)),
    _range("from the middle", "bytes=1000-1999", 206, slice(1000, 2000)),
    _range("open", "bytes=70000-", 206, slice(70_000, None)),
    _range("open from the start", "bytes=0-", 206),
    _range("suffix", "bytes=-100", 206, slice(-100, None)),
    _range("suffix longer than the file", "bytes=-{beyond}", 206),
    _range("the last byte", "bytes={last}-", 206, slice(-1, None)),
    _range("the last byte as a suffix", "bytes=-1", 206, slice(-1, None)),
    _range("clipped", "bytes={near_end}-{beyond}", 206, slice(-10, None)),
    _range("unit in capitals", "BYTES=3-4", 206, slice(3, 5)),
    _range("beyond the end", "bytes={size}-", 416),
    _range("far beyond the end", "bytes={beyond}-{beyond}", 416),
    _range("suffix of nothing", "bytes=-0", 416),
    *(_range(f"junk: {junk}", junk, 200, nginx=416) for junk in ("bytes=-", "bytes=9-3", "bytes=a-b")),
    _range("junk: 30 digits", f"bytes={'9' * 30}-", 200, nginx=416),
    *(_range(f"junk: {junk}", junk, 200) for junk in ("bytes=", "lines=1-2", "junk")),
    _range("several ranges", "bytes=0-1,5-9", 200, nginx=206),
    _if("If-Range", "the file's", "{tag}", 206),
    _if("If-Range", "another", _OTHER, 200),
    _if("If-Range", "weak", "W/{tag}", 200),
    _if("If-Range", "a date", _DATE, 200),
    _if("If-Match", "the file's", "{tag}", 206),
    _if("If-Match", "one of several", '"old", {tag}', 206),
    _if("If-Match", "any", "*", 206),
    _if("If-Match", "another", _OTHER, 412),
    _if("If-Match", "weak", "W/{tag}", 412),
    _if("If-None-Match", "the file's", "{tag}", 304),
    _if("If-None-Match", "weak", "W/{tag}", 304),
    _if("If-None-Match", "one of several", '"old", {tag}', 304),
    _if("If-None-Match", "any", "*", 304),
    _if("If-None-Match", "another", _OTHER, 206),
]

every_check = pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)


def verify(site: Site, check: Check) -> None:
    """Ask `site` what `check` says, and fail unless the answer is right, its headers too."""
    size = len(site.content)
    places = {"size": size, "last": size - 1, "near_end": size - 10, "beyond": size + 10}
    tag = site.tag() if "{tag}" in "".join(check.headers.values()) else ""
    answer = site.ask(check.method, **{name: value.format(tag=tag, **places) for name, value in check.headers.items()})
    assert answer.status == (check.nginx if site.nginx and check.nginx else check.status)
    match answer.status:
        case 200:
            assert answer.body == (site.content if check.method == "GET" else b"")
            assert answer.headers["Content-Length"] == str(size)
            assert answer.headers["Accept-Ranges"] == "bytes"
            assert "Content-Range" not in answer.headers
        case 206:
            _verify_part(site, check, answer)
        case 304:
            assert answer.body == b""
            assert answer.headers["ETag"].removeprefix("W/") == site.tag()
        case 412:
            assert site.content[:10] not in answer.body
        case 416:
            assert answer.headers["Content-Range"] == f"bytes */{size}"
            assert len(answer.body) < 1000
        case other:
            raise AssertionError(other)


def _verify_part(site: Site, check: Check, answer: Answer) -> None:
    if "," in check.headers["Range"]:
        assert answer.headers["Content-Type"].startswith("multipart/byteranges")
        assert site.content[0:2] + b"\r\n" in answer.body
        assert site.content[5:10] + b"\r\n" in answer.body
        return
    if check.method == "GET":
        start, stop, _ = check.part.indices(len(site.content))
        assert answer.body == site.content[start:stop]
        assert answer.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{len(site.content)}"
        assert answer.headers["Content-Length"] == str(stop - start)


def ask_over_http(port: int, path: str, method: str = "GET", **headers: str) -> Answer:
    """The answer to one request over a connection of its own: after a 412, nginx closes the one it promised to keep."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())
    finally:
        connection.close()
