"""Clients that wait, and clients that read slowly, are many; pages are answered all the same."""

from __future__ import annotations

import hashlib
import select
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

from bench.relay import running_relay
from tests.e2e.portal import ROOT, Portal
from tests.frame.gunicorns import asking, body_of
from tests.frame.range_checks import ask_over_http
from tests.services.conftest import Offered, link_to
from tests.waiting import wait_until


def port_of(portal: Portal) -> int:
    port = urlsplit(portal.url).port
    assert port is not None
    return port


def answers_a_page(portal: Portal, offered: Offered) -> bool:
    """Whether the explorer comes."""
    return ask_over_http(port_of(portal), "/", Cookie=f"sessionid={offered.session}").status == 200


def cancel(portal: Portal, offered: Offered, job: str) -> None:
    token = "a" * 32
    cookies = f"sessionid={offered.session}; csrftoken={token}"
    told = ask_over_http(port_of(portal), f"/exports/{job}/cancel/", "POST", Cookie=cookies, **{"X-CSRFToken": token})
    assert told.status == 302


def test_a_page_comes_before_what_many_clients_wait_for(portal: Portal, offered: Offered) -> None:
    path, headers = f"{offered.exports}/{offered.running}", f"Authorization: Bearer {offered.key}\r\n"
    with ExitStack() as connections:
        clients = [connections.enter_context(asking(port_of(portal), path, headers)) for _ in range(20)]

        def answered() -> list[socket.socket]:
            return select.select(clients, [], [], 0)[0]

        # 16 may wait; the others are told at once how it stands.
        wait_until(lambda: len(answered()) == 4)
        assert answers_a_page(portal, offered)
        assert len(answered()) == 4, "the page came before the answers that are held back"
        cancel(portal, offered, offered.running)
        wait_until(lambda: len(answered()) == 20)
        told = [b"Cancelled by" in body_of(client) for client in clients]
        assert told.count(True) == 16


def test_a_page_comes_beside_more_downloads_than_threads_that_nobody_reads(portal: Portal, offered: Offered) -> None:
    path = link_to(offered.large, portal.url, offered)
    with ExitStack() as connections:
        clients = [connections.enter_context(asking(port_of(portal), path)) for _ in range(70)]
        for client in clients:
            assert client.recv(12, socket.MSG_PEEK) == b"HTTP/1.1 200"
        assert answers_a_page(portal, offered)
        for client in (clients[0], clients[-1]):
            assert hashlib.sha256(body_of(client)).hexdigest() == offered.sha256_large


def test_the_client_s_download_survives_a_wire_that_breaks(portal: Portal, offered: Offered, tmp_path: Path) -> None:
    """By the downloader of the vendor's client, with its several parts at once."""
    # Beyond the answer to its first question, after which it does not ask twice.
    cuts = iter([60_000, 300_000, 500_000])
    with running_relay(("127.0.0.1", port_of(portal)), patience=lambda: next(cuts, None)) as relay:
        link = f"http://127.0.0.1:{relay.port}{link_to(offered.large, portal.url, offered)}"
        file = tmp_path / "archive.zip"
        command = [sys.executable, "-m", "bench.fetch", "file", link, str(file)]
        subprocess.run(command, check=True, cwd=ROOT, env={"HOME": str(tmp_path), "NO_PROXY": "*"})
        assert relay.cuts == 3
    assert hashlib.sha256(file.read_bytes()).hexdigest() == offered.sha256_large
