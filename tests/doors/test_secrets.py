"""Keys and signed links stay with whoever has them: no log, report or answer repeats one, whatever goes wrong."""

from __future__ import annotations

import http.client
import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import pytest
from django.conf import settings as conf
from django.db import connection
from django.test import Client

from tests.doors.caller import Caller
from tests.doors.operations import operations
from tests.doors.world import Place, all_there_is
from tests.frame.portal import environment
from tests.waiting import free_port, listens, wait_until_up
from vi_portal.accounts.models import User

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "snapshot"])

ROOT = Path(__file__).parents[2]


@dataclass
class Served:
    """A web process with its log, and everything that it answered."""

    port: int
    log: Path
    answers: list[tuple[int, str]]

    def ask(self, method: str, address: str, *, body: bytes = b"", headers: dict[str, str] | None = None) -> int:
        """The status of the answer, which is kept."""
        wire = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        wire.request(method, address, body=body, headers=headers or {})
        answer = wire.getresponse()
        self.answers.append((answer.status, answer.read().decode(errors="replace") + str(answer.headers)))
        wire.close()
        return answer.status


@contextmanager
def served(folder: Path, **settings: str) -> Iterator[Served]:
    """gunicorn over the database of the test, with all the lines that it can write."""
    port = free_port()
    folder.mkdir(exist_ok=True)
    log = folder / "log"
    (folder / "static").mkdir(exist_ok=True)
    more = {"PORT": str(port), "HTTPS": "off", "LOG_LEVEL": "DEBUG", "SECRET_KEY": conf.SECRET_KEY}
    command = ["-m", "gunicorn", "-c", str(ROOT / "gunicorn.conf.py"), "--access-logfile", "-", "vi_portal.wsgi"]
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=ROOT,
            env=environment(folder, **more, **settings),
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        web = Served(port, log, [])
        wait_until_up(process, lambda: listens(port), within=60, log=log)
        yield web
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


@contextmanager
def without(table: str) -> Iterator[None]:
    """The database, for once without `table`."""
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} RENAME TO {table}_aside")
        try:
            yield
        finally:
            cursor.execute(f"ALTER TABLE {table}_aside RENAME TO {table}")


def session_headers(user: User) -> dict[str, str]:
    """Of a browser in which `user` signed in."""
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    token = "a" * 32
    cookies = f"sessionid={client.cookies['sessionid'].value}; csrftoken={token}"
    return {"Cookie": cookies, "X-CSRFToken": token, "Content-Type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize("told", [{"DEBUG": "on", "LOG_FORMAT": "text"}, {"DEBUG": "off", "LOG_FORMAT": "json"}])
def test_nothing_that_goes_wrong_repeats_a_key_or_a_link(
    acmes: Place, ana: User, tmp_path: Path, told: dict[str, str]
) -> None:
    caller, key = Caller(ana), {"Content-Type": "application/json"}
    text, organization = caller.text, acmes.organization.pk
    key |= {"Authorization": f"Bearer {text}"}
    [slot] = [each for each in operations() if each.path.startswith("/api/uploads/images")]
    credential = caller.credential(slot, acmes.ids)
    secrets = {text, text[5:40], credential.rpartition(".")[2]}
    datasets = f"/workspaces/{organization}/datasets"
    with served(tmp_path / "served", **told) as web:
        statuses = {
            web.ask("GET", f"/workspaces/{text}", headers=key),
            web.ask("GET", f"/workspaces?p={text}&s={text}", headers=key),
            web.ask("GET", f"/workspaces?key={text}"),
            web.ask("GET", "/workspaces", headers={"Authorization": f"Token {text}", "X-Request-Id": text[:60]}),
            web.ask("GET", "/workspaces", headers=key | {"Organization-Id": text, "Referer": f"http://x/?k={text}"}),
            web.ask("PUT", f"/workspaces?key={text}", headers=key),
            web.ask("POST", datasets, headers=key, body=json.dumps({"name": text, "type": text}).encode()),
            web.ask("POST", datasets, headers=key, body=f'{{"name": "{text}'.encode()),
            web.ask("POST", datasets, headers=key, body=(text * 40_000).encode()),
            web.ask("POST", datasets, body=(text * 40_000).encode()),
            web.ask("PUT", f"{slot.address(acmes.ids)}?{credential}", body=text.encode()),
            web.ask("PUT", f"/api/uploads/images/9{acmes.ids['images/{slot_id}']}?{credential}"),
            web.ask("GET", f"{slot.address(acmes.ids)}?{credential}"),
            web.ask("GET", f"/nowhere?{credential}", headers={"Host": "elsewhere.example"}),
        }
        # Who follows a wrong address of a page is shown that address again, in a redirection or with DEBUG.
        answers, web.answers = web.answers, []
        web.ask("GET", f"/{text}/?key={text}", headers={"Referer": f"http://x/?{credential}"})
        web.ask("GET", f"/exports/{acmes.export.pk}/download/{text}/x.zip?{credential}", headers=session_headers(ana))
        web.answers = answers
        with without("datasets_dataset"):
            statuses.add(web.ask("GET", f"{datasets}?key={text}", headers=key))
            statuses.add(web.ask("POST", datasets, headers=key, body=json.dumps({"name": text}).encode()))
            statuses.add(web.ask("PUT", f"{slot.address(acmes.ids)}?{credential}", body=b"x"))
            page = f"/datasets/{acmes.dataset.pk}/?{credential}&k={text}"
            statuses.add(web.ask("GET", page, headers=session_headers(ana)))
        form = urlencode({"name": text, "membership": ana.memberships.get().pk}).encode()
        with without("accounts_secretkey"):
            statuses.add(web.ask("GET", "/workspaces", headers=key))
            statuses.add(web.ask("POST", "/settings/keys/", headers=session_headers(ana), body=form))
    assert statuses == {400, 401, 403, 404, 405, 413, 500}
    log = web.log.read_text()
    assert "Traceback" in log
    assert "GET /workspaces" in log, "the log of accesses is looked at as well"
    for secret in secrets:
        assert secret not in log
        for status, answer in web.answers:
            assert secret not in answer, f"{status}: {answer[:500]}"
    assert not re.search(r"dtvi_[A-Za-z0-9_-]{8}", log + str(web.answers)), "not even a key that was to be made"
    assert text not in str(all_there_is())
