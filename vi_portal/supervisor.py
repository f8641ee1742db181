"""One command that runs the portal: a web server and a worker, watched over until somebody stops them.

The worker is replaced when it dies; without the web server there is nothing to reach, so its end is the end of all.
The first Ctrl-C (or SIGTERM) drains: no new work is taken, what runs is finished. The second stops at once. A
worker that is gone by force gives its jobs back in the same moment, so that the next one need not wait for leases.
"""

from __future__ import annotations

import ctypes
import http.client
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType

from django.conf import settings
from django.db import Error, connection
from django.shortcuts import resolve_url

from vi_portal.jobs.models import Worker
from vi_portal.jobs.sweep import release_jobs
from vi_portal.readiness import check_migrations, check_port, check_static_files

TICK_SECONDS = 0.1
#: A worker that dies young is replaced after a pause that doubles up to the limit.
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0
GROWN_UP_SECONDS = 60.0
#: So long the portal waits for its worker before it says that it is running.
WORKER_PATIENCE_SECONDS = 20.0

_PR_SET_PDEATHSIG = 1


def worker_command(name: str) -> list[str]:
    """The module and arguments of a worker: a process that takes messages and sweeps, and those that do the jobs."""
    pool = ["--pool", "prefork", "--without-gossip", "--without-mingle"]
    return ["celery", "--quiet", "--app", "vi_portal", "worker", *pool, "--hostname", name]


class Program:
    """A child process with a session, and so a process group, of its own: a Ctrl-C here does not reach it."""

    def __init__(self, *arguments: str, orphaned: signal.Signals) -> None:
        """Start it. If this process is killed, `orphaned` is the signal that ends it as well (on Linux)."""
        parent = os.getpid()
        self.started_at = time.monotonic()
        self._process = subprocess.Popen(  # noqa: S603 - our own programs
            [sys.executable, "-m", *arguments],
            cwd=settings.BASE_DIR,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=lambda: _follow_into_death(parent, orphaned),
        )

    @property
    def exit_code(self) -> int | None:
        return self._process.poll()

    @property
    def age(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.started_at

    def ask_to_stop(self) -> None:
        if self.exit_code is None:
            self._process.terminate()

    def kill(self) -> None:
        """End it and whatever it started."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


class Supervisor:
    """Runs the portal until it is stopped. `say` takes the lines for the person at the terminal."""

    def __init__(self, *, say: Callable[[str], None]) -> None:
        self._say = say
        self._stops = 0
        self._web: Program
        self._worker: Program | None = None
        self._worker_name = ""
        self._pause = FIRST_PAUSE_SECONDS
        self._due = 0.0

    def run(self) -> bool:
        """True if it was stopped and everything ended by itself. Raises `CannotStart`."""
        check_migrations()
        check_static_files()
        check_port(settings.HOST, settings.PORT)
        before = {number: signal.signal(number, self._on_signal) for number in _stop_signals()}
        try:
            self._web = Program("gunicorn", "vi_portal.wsgi", orphaned=signal.SIGTERM)
            self._start_worker()
            well = self._watch()
            return self._drain() and well
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._stops += 1

    # While it runs

    def _watch(self) -> bool:
        """Keep both running until a stop is asked for (True) or the web server died (False)."""
        announced = False
        while not self._stops:
            if self._web.exit_code is not None:
                self._say(f"The web server stopped by itself (exit code {self._web.exit_code}), so the portal stops.")
                return False
            self._look_after_worker()
            if not announced and self._is_up():
                announced = True
                self._say(welcome())
            time.sleep(TICK_SECONDS)
        return True

    def _is_up(self) -> bool:
        """Whether the web server answers and the worker has signed in; a worker that is slow is not waited for long."""
        if not answers(settings.HOST, settings.PORT):
            return False
        return self._web.age > WORKER_PATIENCE_SECONDS or is_signed_in(self._worker_name)

    def _start_worker(self) -> None:
        self._worker_name = f"worker-{secrets.token_hex(4)}@{socket.gethostname()}"
        self._worker = Program(*worker_command(self._worker_name), orphaned=signal.SIGKILL)

    def _look_after_worker(self) -> None:
        if self._worker is None:
            if time.monotonic() >= self._due:
                self._start_worker()
        elif (code := self._worker.exit_code) is not None:
            self._pause = FIRST_PAUSE_SECONDS if self._worker.age > GROWN_UP_SECONDS else self._pause
            self._say(f"The worker stopped (exit code {code}); a new one starts in {self._pause:.0f} s.")
            self._bury_worker(its_fault=True)
            self._due = time.monotonic() + self._pause
            self._pause = min(2 * self._pause, LONGEST_PAUSE_SECONDS)

    def _bury_worker(self, *, its_fault: bool) -> None:
        """End what is left of the worker, and give its jobs back if the database is there."""
        if self._worker is not None:
            self._worker.kill()
            self._worker = None
            try:
                release_jobs(self._worker_name, attempt_counts=its_fault)
            except Error:
                self._say("The database cannot be told that the worker is gone; its jobs wait until their leases end.")
            finally:
                connection.close()

    # The end

    def _drain(self) -> bool:
        """Let both finish what they do. False if they had to be killed."""
        programs = [program for program in (self._web, self._worker) if program is not None]
        for program in programs:
            program.ask_to_stop()
        stops, deadline = self._stops, time.monotonic() + settings.DRAIN_SECONDS
        self._say(f"Stopping; a running export has {settings.DRAIN_SECONDS:.0f} s to finish. Ctrl-C again stops now.")
        while any(program.exit_code is None for program in programs):
            if self._stops > stops or time.monotonic() > deadline:
                self._say("Stopping now; an export that was running starts again with the portal.")
                self._web.kill()
                self._bury_worker(its_fault=False)
                return False
            time.sleep(TICK_SECONDS)
        self._say("Stopped.")
        return True


def _stop_signals() -> list[signal.Signals]:
    """What stops the portal; a hangup does not, where it was started with `nohup`."""
    ignored = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    return [signal.SIGINT, signal.SIGTERM, *([] if ignored else [signal.SIGHUP])]


def _follow_into_death(parent: int, orphaned: signal.Signals) -> None:
    """In a new child: be sent `orphaned` when the parent dies, however it dies."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, orphaned)
        if os.getppid() != parent:
            os._exit(1)


# Once it runs


def answers(host: str, port: int) -> bool:
    """Whether a web server answers there, whatever it says."""
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - nothing is bound
    web = http.client.HTTPConnection(reachable, port, timeout=1)
    called = next((name.lstrip(".") for name in settings.ALLOWED_HOSTS if name != "*"), "localhost")
    try:
        web.request("GET", resolve_url(settings.LOGIN_URL), headers={"Host": called})
        web.getresponse()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        web.close()
    return True


def is_signed_in(worker: str) -> bool:
    """Whether the worker of that name takes jobs, as far as the database can tell."""
    try:
        return Worker.alive().filter(pk=worker).exists()
    except Error:
        return False
    finally:
        connection.close()


def welcome() -> str:
    """What the person at the terminal needs to know."""
    host = f"[{settings.HOST}]" if ":" in settings.HOST else settings.HOST
    lines = ["", "Vi Portal is running.", "", f"  Address   http://{host}:{settings.PORT}/"]
    try:
        user, password = (Path(settings.DATA_DIR) / "sign-in.txt").read_text().splitlines()
        lines += [f"  Sign in   {user}", f"            {password}"]
    except (OSError, ValueError):
        lines += ["  Sign in   with your account; make one with: python manage.py createsuperuser"]
    if settings.HTTPS:
        lines += ["", "HTTPS is on: put a proxy with a certificate in front of it, or set HTTPS=off to try it here."]
    return "\n".join([*lines, "", "Ctrl-C stops it, after a running export is finished.", ""])
