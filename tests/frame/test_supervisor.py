"""`manage.py serve`: one command, nothing left behind, and no export lost by stopping it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, build_opener, urlopen

import pytest
from django.conf import settings as portal_settings
from django.db import OperationalError, connection

from datasets.models import Dataset
from exports.dispatch import request_export
from exports.models import ExportJob
from exports.spec import ExportSpec
from tests import cast
from tests.frame.portal import TO_START, environment, make_large, processes
from tests.waiting import free_port, wait_until
from vi_portal.jobs.models import State, Worker
from vi_portal.jobs.sweep import release_jobs, requeue_lost
from vi_portal.supervisor import Program, Supervisor, is_signed_in

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "snapshot"])


class Served:
    """A portal started by `manage.py serve`, over `data_dir`."""

    def __init__(self, data_dir: Path, *arguments: str, **more: str) -> None:
        self.data_dir = data_dir
        self.port = free_port()
        (data_dir / "static").mkdir(parents=True, exist_ok=True)
        self._output = data_dir / "output.txt"
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "serve", *arguments],
            cwd=portal_settings.BASE_DIR,
            env=environment(data_dir, PORT=str(self.port), **more),
            stdout=self._output.open("w"),
            start_new_session=True,
        )

    @property
    def said(self) -> str:
        return self._output.read_text()

    def wait_until_whole(self) -> None:
        wait_until(lambda: "Address" in self.said and self.health().get("status") == "ok", within=TO_START)

    def health(self) -> Any:
        try:
            with urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=10) as answer:
                return json.load(answer)
        except HTTPError as error:
            return json.load(error)
        except URLError:
            return {}

    def find(self, program: str) -> list[int]:
        """The process ids of gunicorn or celery, parents first."""
        return sorted(pid for pid, command in processes(self.data_dir).items() if f"-m {program}" in command)

    def stop(self) -> int:
        """Ctrl-C; the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=30)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    started: list[Served] = []

    def start(*arguments: str, **more: str) -> Served:
        started.append(Served(tmp_path, *arguments, **more))
        return started[-1]

    yield start
    for served in started:
        served.process.kill()
        served.process.wait()
    for pid in processes(tmp_path):
        os.kill(pid, signal.SIGKILL)


def nothing_runs(data_dir: Path) -> bool:
    return not processes(data_dir)


def test_one_command_starts_it_replaces_a_dead_worker_and_ends_it_all(
    serve: Callable[..., Served], tmp_path: Path
) -> None:
    (tmp_path / "sign-in.txt").write_text("user: ana\npassword: correct horse\n")
    portal = serve()
    portal.wait_until_whole()

    assert f"http://127.0.0.1:{portal.port}/\n" in portal.said
    assert "user: ana" in portal.said
    assert "password: correct horse" in portal.said
    assert "Ctrl-C stops it" in portal.said

    [before] = Worker.objects.all()
    os.kill(portal.find("celery")[0], signal.SIGKILL)
    wait_until(lambda: Worker.objects.exclude(pk=before.pk).exists(), within=TO_START)
    assert not Worker.objects.filter(pk=before.pk).exists()
    assert "The worker stopped" in portal.said

    assert portal.stop() == 0
    assert "Stopped." in portal.said
    assert nothing_runs(tmp_path)
    assert not Worker.objects.exists()


def test_an_empty_folder_becomes_a_portal_one_can_sign_in_to(serve: Callable[..., Served], tmp_path: Path) -> None:
    portal = serve("--prepare", DATABASE_URL=f"sqlite:///{tmp_path}/new.sqlite3", HTTPS="off")
    portal.wait_until_whole()

    [(user, password)] = re.findall(r"user: (.+)\n +password: (.+)\n", portal.said)
    assert (tmp_path / "sign-in.txt").read_text() == f"user: {user}\npassword: {password}\n"
    assert stat.S_IMODE((tmp_path / "sign-in.txt").stat().st_mode) == 0o600
    home = f"http://127.0.0.1:{portal.port}"
    browser = build_opener(HTTPCookieProcessor(cookies := CookieJar()))
    page = browser.open(f"{home}/").read().decode()
    style_sheets = re.findall(r'<link rel="stylesheet" href="(/static/[^"]+)"', page)
    assert style_sheets
    assert {browser.open(home + address).status for address in style_sheets} == {200}
    [token] = [cookie.value for cookie in cookies if cookie.name == "csrftoken"]
    form = {"username": user, "password": password, "csrfmiddlewaretoken": token}
    explorer = browser.open(f"{home}/sign-in/", urlencode(form).encode()).read().decode()
    assert "Workshop scenes" in explorer


def test_without_a_web_server_all_ends_with_a_message(serve: Callable[..., Served], tmp_path: Path) -> None:
    portal = serve()
    portal.wait_until_whole()

    os.kill(portal.find("gunicorn")[0], signal.SIGKILL)

    assert portal.process.wait(timeout=30) == 1
    assert "The web server stopped" in portal.said
    wait_until(lambda: nothing_runs(tmp_path))


@pytest.mark.skipif(sys.platform != "linux", reason="Only Linux tells a process that its parent died.")
def test_a_killed_supervisor_leaves_no_orphans(serve: Callable[..., Served], tmp_path: Path) -> None:
    portal = serve()
    portal.wait_until_whole()
    assert len(processes(tmp_path)) >= 5

    portal.process.kill()

    wait_until(lambda: nothing_runs(tmp_path), within=10)


def test_a_port_in_use_is_told(serve: Callable[..., Served], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        outcome = subprocess.run(
            [sys.executable, "manage.py", "serve"],
            cwd=portal_settings.BASE_DIR,
            env=environment(portal_settings.DATA_DIR, PORT=str(port)),
            capture_output=True,
            text=True,
            check=False,
        )

    assert outcome.returncode == 1
    assert outcome.stderr.count("\n") == 1
    assert f"Port {port} of 127.0.0.1 is already in use." in outcome.stderr


def test_a_database_without_tables_is_told(tmp_path: Path) -> None:
    outcome = subprocess.run(
        [sys.executable, "manage.py", "serve"],
        cwd=portal_settings.BASE_DIR,
        env=environment(tmp_path, DATABASE_URL=f"sqlite:///{tmp_path}/empty.sqlite3"),
        capture_output=True,
        text=True,
        check=False,
    )

    assert outcome.returncode == 1
    assert outcome.stderr.count("\n") == 1
    assert "python manage.py migrate" in outcome.stderr


def test_only_the_process_that_does_the_jobs_loads_tensorflow(serve: Callable[..., Served], tmp_path: Path) -> None:
    portal = serve(TENSORFLOW_WARM_UP="on")
    portal.wait_until_whole()
    _, child = portal.find("celery")

    def heavy() -> list[int]:
        return [pid for pid in processes(tmp_path) if "/tensorflow/" in Path(f"/proc/{pid}/maps").read_text()]

    wait_until(heavy, within=60)
    assert portal.health()["status"] == "ok"
    assert heavy() == [child]


# Jobs at the end


@pytest.fixture
def many(serve: Callable[..., Served]) -> Dataset:
    """Enough to be caught in the middle of its export."""
    dataset = cast.make_dataset(cast.make_organization())
    make_large(dataset, assets=6000, annotations=8)
    return dataset


def start_export(dataset: Dataset, portal: Served) -> ExportJob:
    """An export of `dataset` that is being written by now."""
    job = request_export(ExportSpec(), dataset=dataset, user=None)
    wait_until(lambda: list((portal.data_dir / "exports").glob(f"{job.pk}-*.part")))
    return job


def test_ctrl_c_lets_the_running_export_finish(many: Dataset, serve: Callable[..., Served], tmp_path: Path) -> None:
    portal = serve()
    portal.wait_until_whole()
    job = start_export(many, portal)

    assert portal.stop() == 0

    job.refresh_from_db()
    assert (job.state, job.attempts) == (State.FINISHED, 1)
    assert [path.name for path in (tmp_path / "exports").iterdir()] == [job.archive]
    assert nothing_runs(tmp_path)


@pytest.mark.parametrize("impatient", [True, False])
def test_a_second_ctrl_c_or_the_end_of_patience_gives_the_running_export_back(
    many: Dataset, serve: Callable[..., Served], tmp_path: Path, impatient: bool
) -> None:
    portal = serve(DRAIN_SECONDS="60" if impatient else "0", JOB_LEASE_SECONDS="600")
    portal.wait_until_whole()
    job = start_export(many, portal)
    worker = portal.find("celery")
    for pid in worker:
        os.kill(pid, signal.SIGSTOP)

    portal.process.send_signal(signal.SIGINT)
    wait_until(lambda: "Stopping" in portal.said)
    if impatient:
        portal.process.send_signal(signal.SIGINT)

    assert portal.process.wait(timeout=30) == 1
    assert nothing_runs(tmp_path)
    job.refresh_from_db()
    assert (job.state, job.attempts) == (State.RUNNING, 0)

    serve().wait_until_whole()
    wait_until(lambda: ExportJob.objects.get().state == State.FINISHED)
    job.refresh_from_db()
    wait_until(lambda: [path.name for path in (tmp_path / "exports").iterdir()] == [job.archive])


def test_only_the_jobs_of_the_worker_that_is_gone_are_given_back() -> None:
    dataset = cast.make_dataset(cast.make_organization())
    for name in ("gone", "alive"):
        Worker.sign_in(name)
        job = ExportJob.of(ExportSpec(), dataset=dataset, user=None)
        ExportJob.start(job.pk, worker=name)

    release_jobs("gone", attempt_counts=True)
    requeue_lost(ExportJob)

    assert {job.worker: job.state for job in ExportJob.objects.all()} == {"gone": "queued", "alive": "running"}
    assert [worker.name for worker in Worker.objects.all()] == ["alive"]


def test_a_worker_that_dies_while_the_database_is_away_does_not_end_the_portal() -> None:
    def away(*_: Any) -> None:
        raise OperationalError("The server closed the connection.")

    said: list[str] = []
    supervisor = Supervisor(say=said.append)
    supervisor._worker = Program("tabnanny", orphaned=signal.SIGKILL)  # it ends at once
    wait_until(lambda: supervisor._worker is not None and supervisor._worker.exit_code is not None)

    with connection.execute_wrapper(away):
        supervisor._look_after_worker()
        assert not is_signed_in("worker")

    assert "a new one starts" in said[0]
    assert "their leases end" in said[1]
