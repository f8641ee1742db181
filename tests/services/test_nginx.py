"""Archives sent by a real nginx, and nothing without a link."""

from __future__ import annotations

import pytest

from tests.services.conftest import CONTENT, Offered, Way

pytestmark = pytest.mark.parametrize("way", ["page behind nginx", "program behind nginx"], indirect=True)


def test_nginx_it_is_that_sends(way: Way) -> None:
    answer = way.ask()
    assert answer.headers["Server"].startswith("nginx")
    assert "X-Accel-Redirect" not in answer.headers
    assert answer.body == CONTENT


@pytest.mark.parametrize(
    "path",
    [
        "/archives/{name}",
        "/archives/./{name}",
        "//archives/{name}",
        "/archives%2F{name}",
        "/%61rchives/{name}",
        "/static/../archives/{name}",
        "/archives/",
        "/archives../exports/{name}",
        "/archives/../exports/{name}",
        "/archives/../portal.sqlite3",
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_no_way_leads_past_the_portal(way: Way, offered: Offered, path: str, method: str) -> None:
    answer = way.ask_for(path.format(name=offered.key_in_storage), method, Range="bytes=0-9")
    assert answer.status in (404, 403, 405)
    assert CONTENT[:10] not in answer.body


def test_a_link_that_was_changed_is_refused_by_the_portal(way: Way) -> None:
    signature = way.offered.page.split("/")[-2]
    path = way.offered.page.replace(signature, "junk") if way.door == "page" else way.link()[:-1]
    answer = way.ask_for(path, Cookie=f"sessionid={way.offered.session}")
    assert answer.status == 403
    assert b"This link is not" in answer.body
