"""The API's document, taken at its word: whatever it allows is answered as it says, and so is what it does not."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
import schemathesis
from django.core import signals
from django.db import close_old_connections
from hypothesis import HealthCheck, settings
from schemathesis.checks import (
    content_type_conformance,
    not_a_server_error,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from schemathesis.config import SchemathesisConfig

from tests.doors.caller import Caller
from tests.doors.operations import Operation
from tests.doors.world import Place, undone
from vi_portal.accounts.models import User
from vi_portal.wsgi import application

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
#: A minute of chance for each 100; by itself, the suite makes only the requests that follow from the document.
EXAMPLES = int(os.environ.get("API_EXAMPLES", "0"))
CONFIG = {
    "seed": 7,
    "generation": {"deterministic": True, "max-examples": max(EXAMPLES, 1), "no-shrink": True},
    "phases": {
        "examples": {"enabled": False},
        "coverage": {"unexpected-methods": []},
        "fuzzing": {"enabled": EXAMPLES > 0},
        "stateful": {"enabled": False},
    },
}

_turns = count()
documented = schemathesis.openapi.from_wsgi(
    "/api/openapi.json", application, config=SchemathesisConfig.from_dict(CONFIG)
)


@pytest.fixture(autouse=True)
def within_one_transaction() -> Iterator[None]:
    """The application may not close the connection that the test has its transaction on."""
    for signal in (signals.request_started, signals.request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (signals.request_started, signals.request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def caller(ana: User) -> Caller:
    return Caller(ana)


# The fixtures are not made anew for every request, and need not be: what it changes is undone.
@documented.parametrize()
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None)
def test_answers_are_as_the_document_says(case: schemathesis.Case[Any], acmes: Place, caller: Caller) -> None:
    """On what is there, three times of four; the rest on ids as they come."""
    operation = Operation(case.method, case.path, is_link=case.path.startswith("/api/uploads/"), has_body=False)
    if next(_turns) % 4:
        ids = acmes.ids_for(case.path)
        for parameter in operation.parameters:
            case.path_parameters[parameter.partition("{")[2].rstrip("}")] = ids[parameter]
        if operation.is_link:
            case.query = {"credential": caller.credential(operation, ids).partition("=")[2]}
    with undone():
        case.call_and_validate(checks=CHECKS, headers={"Authorization": f"Bearer {caller.text}"})


def test_the_document_has_the_words_that_clients_write() -> None:
    document = str(documented.raw_schema)
    assert "'crc32c'" in document
    assert "crc32C" not in document
    for operation in documented.raw_schema["paths"].values():
        for described in operation.values():
            assert described.get("security") or described["parameters"][-1]["name"] == "credential"


def test_what_the_document_says_is_said_in_the_words_of_the_wire() -> None:
    told = descriptions(documented.raw_schema)
    assert len(told) > 50
    assert not [text for text in told if re.search(r"`[^`]*[a-z]_[a-z][^`]*`", text)]


def descriptions(document: Any) -> list[str]:
    if isinstance(document, list):
        return [text for each in document for text in descriptions(each)]
    if not isinstance(document, dict):
        return []
    told = document.get("description")
    return ([told] if isinstance(told, str) else []) + descriptions(list(document.values()))
