"""A portal as a team runs it: its servers, its web server, two workers, and somebody who starts again what died."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TypeVar

import httpx

from tests import waiting
from tests.faults.store import Store
from tests.services.servers import Postgres, RabbitMQ, Redis, Server

ROOT = Path(__file__).parents[2]
Answer = TypeVar("Answer")

#: So large is the disk of the archives, where there is one of their own.
DISK_MEGABYTES = 64
#: So many jobs each worker does at once, in as many processes.
SLOTS = 2
#: So long something may take on a machine that has much else to do; nothing here is promised to be quick.
PATIENCE_SECONDS = 180.0
#: How soon a program that died is started again.
_PAUSE_SECONDS = 0.2
_SUPERVISOR_SECONDS = 8.0


@dataclass(frozen=True)
class Setup:
    """How the portal is set up. Without a database and a broker it is the embedded one: `manage.py serve`."""

    name: str
    database: type[Postgres] | None = None
    broker: type[Redis] | type[RabbitMQ] | None = None
    #: Its files are in a bucket.
    bucket: bool = False


SETUPS = {
    setup.name: setup
    for setup in (
        Setup("embedded"),
        Setup("redis", Postgres, Redis),
        Setup("rabbitmq", Postgres, RabbitMQ),
        Setup("store", Postgres, Redis, bucket=True),
    )
}


def wait_until(condition: Callable[[], Answer], *, what: str, within: float = PATIENCE_SECONDS) -> Answer:
    """The first answer of `condition` that is true; with this suite's patience, and what it was for."""
    return waiting.wait_until(condition, within=within, what=what)


class Kept:
    """A program that is started again whenever it ended."""

    def __init__(self, start: Callable[[], subprocess.Popen[bytes]]) -> None:
        self._start = start
        self._process = start()
        self._over = False

    @property
    def pid(self) -> int:
        return self._process.pid

    def look_after(self) -> None:
        if not self._over and self._process.poll() is not None:
            time.sleep(_PAUSE_SECONDS)
            self._process = self._start()

    def end(self) -> None:
        """For good, with everything it started."""
        self._over = True
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


class Team:
    """Everything runs from `start` to `end`. Its environment is there before, so that Django can be set up with it."""

    def __init__(self, setup: Setup, folder: Path, *, records_a_shard: int) -> None:
        self.setup, self.folder = setup, folder
        self.archives, self.spools = folder / "exports", folder / "spool"
        self.database = setup.database(folder / "postgres") if setup.database else None
        self.broker = setup.broker(folder / "broker-server") if setup.broker else None
        self.store = Store(folder / "store") if setup.bucket else None
        self.port = waiting.free_port()
        self.log = folder / "log.txt"
        self.has_own_disk = False
        self.environment = {
            "PATH": os.environ["PATH"],
            "DATA_DIR": str(folder),
            "DATABASE_URL": self.database.url if self.database else f"sqlite:///{folder}/portal.sqlite3",
            "CELERY_BROKER_URL": self.broker.url if self.broker else "files://",
            "HTTPS": "off",
            "PORT": str(self.port),
            "EXPORT_WAITERS": "0",
            "EXPORT_SHARD_RECORDS": str(records_a_shard),
            # Long enough for a process that loads TensorFlow on a busy machine, where its other threads stand still.
            "JOB_LEASE_SECONDS": "3",
            "JOB_GRACE_SECONDS": "0.5",
            "JOB_SWEEP_SECONDS": "0.3",
            "JOB_PAUSE_SECONDS": "0.5",
            "JOB_MAX_ATTEMPTS": "6",
            "WORKER_CONCURRENCY": str(SLOTS),
            "TENSORFLOW_WARM_UP": "off",
            **(self.store.environment if self.store else {}),
        }
        self._kept: list[Kept] = []
        self._over = threading.Event()
        self._keeper = threading.Thread(target=self._keep, daemon=True)

    # The whole of it

    def start(self) -> None:
        for server in self.servers:
            server.start()
        if self.store:
            self.store.make_bucket()
        self.archives.mkdir(exist_ok=True)
        self.has_own_disk = self._mount()
        for command in (("migrate",), ("collectstatic", "--no-input")):
            arguments = [sys.executable, "manage.py", *command, "--verbosity", "0"]
            subprocess.run(arguments, cwd=ROOT, env=self.environment, check=True)
        self._kept = [Kept(self._start_web), Kept(self._start_worker)]
        if self.setup.broker:
            self._kept.append(Kept(self._start_worker))
        self._keeper.start()

    def end(self) -> None:
        self._over.set()
        if self._keeper.ident is not None:
            self._keeper.join()
        for kept in self._kept:
            kept.end()
        for pid in processes(self.folder):
            if pid != os.getpid():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        for server in self.servers:
            server.kill()
        if self.has_own_disk:
            subprocess.run(["umount", "--lazy", str(self.archives)], check=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def servers(self) -> list[Server]:
        return [server for server in (self.database, self.broker, self.store) if server is not None]

    def is_whole(self) -> bool:
        """Whether everything answers, and two workers are there with all their processes."""
        try:
            well = httpx.get(f"{self.url}/healthz", timeout=20, trust_env=False).status_code == 200
        except httpx.HTTPError:
            return False
        return well and [len(pids) for pids in self.workers().values()] == [1 + SLOTS] * 2

    def make_whole(self) -> None:
        """Wait until it is whole. A supervisor lets more time pass with each worker that dies young; one that would
        hold up the rounds is started anew."""
        patient_until = time.monotonic() + _SUPERVISOR_SECONDS
        while not self.is_whole():
            if time.monotonic() > patient_until and (supervisor := self.supervisor()):
                for pid in supervisor + self.web():
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                break
            time.sleep(0.1)
        wait_until(self.is_whole, what="the portal is whole before the round")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    # Its files

    def published(self) -> set[str]:
        """What is where the archives are kept: archives, and what should not be there for long."""
        return set(self.store.archives()) if self.store else {path.name for path in self.archives.iterdir()}

    def aside(self) -> list[str]:
        """What is being made: on its way to the store, and in the folders of the workers."""
        folders = [self.spools, *([self.archives] if self.store else [])]
        uploads = self.store.unfinished() if self.store else []
        return sorted(uploads + [path.name for folder in folders if folder.is_dir() for path in folder.iterdir()])

    @contextmanager
    def fetched(self, archive: str) -> Iterator[Path]:
        """The archive as a file."""
        if not self.store:
            yield self.archives / archive
            return
        with NamedTemporaryFile(dir=self.folder, suffix=".zip") as file:
            file.write(self.store.read(archive))
            file.flush()
            yield Path(file.name)

    # Its processes

    def workers(self) -> dict[str, list[int]]:
        """The workers by name: the process ids, parents first."""
        found: dict[str, list[int]] = {}
        for pid, command in processes(self.folder).items():
            if "celery" in command and "--hostname" in command:
                found.setdefault(command.split("--hostname ")[1].split()[0], []).append(pid)
        return {name: sorted(pids, key=lambda pid: _parent(pid) in pids) for name, pids in found.items()}

    def web(self) -> list[int]:
        """The process ids of the web server, parents first."""
        return sorted(pid for pid, command in processes(self.folder).items() if "-m gunicorn" in command)

    def supervisor(self) -> list[int]:
        return [pid for pid, command in processes(self.folder).items() if "manage.py serve" in command]

    @contextmanager
    def another_clock(self, offset: str) -> Iterator[None]:
        """One of the workers lives at another time, for as long as the block runs."""
        library = wrong_clocks()
        assert library is not None
        wrong = {"LD_PRELOAD": str(library), "FAKETIME": offset, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        kept = self._kept.pop()
        kept.end()
        self._kept.append(Kept(lambda: self._start_worker(**wrong)))
        try:
            yield
        finally:
            self._kept.pop().end()
            self._kept.append(Kept(self._start_worker))

    def _start_web(self) -> subprocess.Popen[bytes]:
        if self.setup.broker:
            return self._run("-m", "gunicorn", "vi_portal.wsgi")
        return self._run("manage.py", "serve")

    def _start_worker(self, **more: str) -> subprocess.Popen[bytes]:
        from vi_portal.supervisor import worker_command

        return self._run("-m", *worker_command(f"worker-{secrets.token_hex(4)}@faults"), **more)

    def _run(self, *arguments: str, **more: str) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, *arguments],
                cwd=ROOT,
                env=self.environment | more,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _keep(self) -> None:
        while not self._over.wait(0.05):
            for kept in list(self._kept):
                kept.look_after()

    def _mount(self) -> bool:
        """Give the archives a small disk of their own, where that is allowed."""
        if os.getuid() != 0:
            return False
        options = ["-t", "tmpfs", "-o", f"size={DISK_MEGABYTES}m", "tmpfs", str(self.archives)]
        return subprocess.run(["mount", *options], check=False, stderr=subprocess.DEVNULL).returncode == 0


def processes(folder: Path) -> dict[int, str]:
    """The portal's processes over `folder`: process id and command line."""
    from tests.frame import portal  # which needs Django set up

    return portal.processes(folder)


def wrong_clocks() -> Path | None:
    """The library that gives a program another time, if the machine has it."""
    return next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError):
        return 0
