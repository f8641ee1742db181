"""Downloads as clients get them: every range and condition at every door, with and without an nginx in front."""

from __future__ import annotations

import hashlib
from urllib.parse import unquote

from tests.frame.range_checks import Check, every_check, verify
from tests.services.conftest import Way


@every_check
def test_range(way: Way, check: Check) -> None:
    verify(way.site(), check)


def test_the_archive_is_described_alike_by_whoever_sends_it(way: Way) -> None:
    answer = way.ask()
    assert hashlib.sha256(answer.body).hexdigest() == way.offered.sha256 == answer.headers["X-Checksum-SHA256"]
    assert answer.headers["Content-Type"] == "application/zip"
    assert answer.headers["Cache-Control"] == "private, no-transform"
    kind, _, name = answer.headers["Content-Disposition"].partition("; filename*=utf-8''")
    assert (kind, unquote(name)) == ("attachment", way.offered.filename)
    assert "血液" in way.offered.filename
