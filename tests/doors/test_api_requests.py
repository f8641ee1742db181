"""Every operation of the API, asked in ways that make no sense: it says so, in the one shape, and changes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from tests.api.calling import message
from tests.doors.caller import Caller
from tests.doors.operations import Operation, operations
from tests.doors.world import Place, all_there_is, changed, undone
from vi_portal.accounts.models import User

METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"}

#: No JSON, or not what any of the operations takes; all are refused before anything is looked at.
BROKEN = {
    "nothing": b"",
    "half": b'{"spec": ',
    "no JSON": b"spec=1&name=2",
    "no UTF-8": b'{"name": "\xff\xfe"}',
    "a list": b"[]",
    "a text": b'"name"',
    "null": b"null",
    "a number too long": b'{"a": ' + b"9" * 5000 + b"}",
    "very deep": b"[" * 100_000 + b"]" * 100_000,
    "deep objects": b'{"spec":' * 50_000 + b"1" + b"}" * 50_000,
}

#: What may stand anywhere in a body, or in its place.
STRANGE: list[Any] = [
    None,
    -1,
    10**400,
    1e308,
    float("nan"),
    "",
    "a\x00b",
    "\ud800",
    "x" * 5000,
    [[]],
    {"\ud800": "\x00"},
    json.loads('{"a":' * 300 + "1" + "}" * 300),
]


def with_body() -> list[Operation]:
    return [each for each in operations() if each.has_body and not each.is_link]


def test_a_method_that_an_address_does_not_have_is_refused(acmes: Place, ana: User) -> None:
    caller, before = Caller(ana), all_there_is()
    taken: dict[str, set[str]] = {}
    for operation in operations():
        taken.setdefault(operation.path, set()).add(operation.method)
    for operation in {each.path: each for each in operations()}.values():
        address = operation.address(acmes.ids)
        for method in METHODS - taken[operation.path]:
            answer = caller.client.generic(method, address)
            assert answer.status_code == 405, f"{method} {operation.path}"
            assert set(answer["Allow"].split(", ")) == taken[operation.path]
            assert method == "HEAD" or message(answer)
    assert changed(before, all_there_is()) == set()


def test_a_body_that_makes_no_sense_is_refused(acmes: Place, ana: User) -> None:
    caller, before = Caller(ana), all_there_is()
    for operation in with_body():
        for what, body in BROKEN.items():
            if operation.exports and what == "nothing":
                continue  # nothing asked for is an export as usual
            answer = operation.call(caller.client, acmes.ids, body=body)
            assert answer.status_code == 400, f"{operation}, {what}: {answer.content[:200]!r}"
            assert message(answer)
    assert changed(before, all_there_is()) == set()


def test_a_body_too_large_is_refused(acmes: Place, ana: User) -> None:
    caller, before = Caller(ana), all_there_is()
    limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    assert limit is not None
    for operation in with_body():
        answer = operation.call(caller.client, acmes.ids, body=b'{"name": "' + b"x" * limit + b'"}')
        assert answer.status_code == 413, operation
        assert message(answer)
    assert changed(before, all_there_is()) == set()


@pytest.mark.parametrize(
    "content_type", ["", "text/plain", "application/xml", "multipart/form-data; boundary=x", "\x00"]
)
def test_a_body_of_another_type_is_read_as_json_or_refused(acmes: Place, ana: User, content_type: str) -> None:
    caller = Caller(ana)
    for operation in with_body():
        with undone():
            answer = operation.call(caller.client, acmes.ids, content_type=content_type)
        assert answer.status_code in (200, 201, 400, 415), f"{operation}: {answer.content}"
        assert answer.status_code in (200, 201) or message(answer)


def test_an_id_that_can_be_none_is_not_found(acmes: Place, ana: User) -> None:
    caller, before = Caller(ana), all_there_is()
    strange = ["a\x00b", "..", "x" * 3000, "\udcff", "²", "'\"<x>"]
    for operation in operations():
        for parameter in operation.parameters:
            for text in strange:
                ids = acmes.ids_for(operation.path)
                given = text.encode("utf-8", "surrogateescape").decode("latin-1")
                answer = caller.client.generic(
                    operation.method,
                    operation.address({**ids, parameter: "{}"}).replace("%7B%7D", _quoted(given)),
                    operation.body[0],
                    operation.body[1],
                )
                expected = (400, 403, 404) if operation.is_link else (404,)
                assert answer.status_code in expected, (
                    f"{operation}, {parameter}={text[:9]!r}: {answer.content[:200]!r}"
                )
                assert message(answer)
    assert changed(before, all_there_is()) == set()


def _quoted(latin: str) -> str:
    return "".join(f"%{byte:02X}" for byte in latin.encode("latin-1"))


def test_whatever_stands_in_a_body_is_taken_or_refused(acmes: Place, ana: User) -> None:
    caller = Caller(ana)
    for operation in with_body():
        for body in _variations(json.loads(operation.body[0])):
            with undone():
                answer = operation.call(caller.client, acmes.ids, body=json.dumps(body).encode())
            told = f"{operation}: {json.dumps(body)[:300]}: {answer.content[:300]!r}"
            assert answer.status_code in (200, 201, 400, 404, 409), told
            assert answer.status_code in (200, 201) or message(answer)


def _variations(example: Any) -> Iterator[Any]:
    """`example` with every value in it replaced by everything strange."""
    yield from STRANGE
    if isinstance(example, dict):
        for key, value in example.items():
            for variation in _variations(value):
                yield example | {key: variation}
    if isinstance(example, list):
        for index, value in enumerate(example):
            for variation in _variations(value):
                yield [*example[:index], variation, *example[index + 1 :]]


def test_whatever_stands_in_a_query_is_taken_or_refused(acmes: Place, ana: User) -> None:
    caller = Caller(ana)
    asked = [f"{name}={value}" for name in ("contents", "sortBy", "o", "filter") for value in ("%00", "%ED%A0%80")]
    asked += [f"s={value}" for value in ("", "0", "-1", "1000", "9" * 400, "%00")]
    asked += [f"p={value}" for value in ("%00", "%FF", "a", "W10", "WzEsMl0", "W1wiXHUwMDAwXCIsMV0")]
    for operation in operations():
        if operation.method == "GET":
            for query in asked:
                answer = operation.call(caller.client, acmes.ids_for(operation.path), query=query)
                assert answer.status_code in (200, 400), f"{operation}, {query}: {answer.content[:300]}"
                assert answer.status_code == 200 or message(answer)


def test_headers_that_make_no_sense_do_no_harm(acmes: Place, ana: User) -> None:
    caller = Caller(ana)
    for operation in operations():
        for header in ("Organization-Id", "If-Match", "Range", "X-Request-Id", "Host"):
            with undone():
                given = {header: "\x00" + "ÿ" * 300}
                answer = operation.call(caller.client, acmes.ids_for(operation.path), headers=given)
            assert answer.status_code in (200, 201, 204, 400, 403, 404, 412), f"{operation}, {header}"
            assert answer.status_code < 300 or message(answer)


def test_an_address_that_is_not_there_is_told_in_the_one_shape(db: None, client: Client) -> None:
    for path in ("/workspaces/", "/workspaces//datasets", "/api", "/api/x", "/plans/1", "/dryRuns/", "/workspaces/%00"):
        answer = client.get(path)
        assert answer.status_code in (401, 404), path
        assert message(answer)
