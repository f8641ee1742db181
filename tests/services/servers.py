"""PostgreSQL, Redis and RabbitMQ as a team would run them, each for as long as somebody needs it.

A server listens on the loopback alone, on a port that was free, keeps everything in a folder of its own, and runs in
a process group of its own, so that it can be stopped, killed and started again where it was.
"""

from __future__ import annotations

import getpass
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psycopg
from kombu import Connection

from tests.brokers import MOST_RUNS, host
from tests.waiting import free_port, wait_until_up

#: RabbitMQ takes ten seconds on an idle machine.
PATIENCE_SECONDS = 120.0

_SYSTEM = "/usr/lib/rabbitmq/bin:/usr/sbin:/sbin"


class NotInstalled(Exception):
    """The machine lacks the program; the message says what to install."""


class Server:
    """A server whose files are in `folder`. `start` and `kill` may alternate."""

    #: What Debian calls it.
    package: str

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.log = folder / "log.txt"
        self._processes: list[subprocess.Popen[bytes]] = []
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        self.prepare()

    @property
    def url(self) -> str:
        """Its address, as the portal's settings want it."""
        raise NotImplementedError

    def prepare(self) -> None:
        """Make what must be there before the first start."""

    def launch(self) -> None:
        """Run its programs, and return at once."""
        raise NotImplementedError

    def answers(self) -> bool:
        raise NotImplementedError

    def start(self) -> None:
        """Run it, and return when it answers."""
        self.launch()
        wait_until_up(self._processes[-1], self.answers, within=PATIENCE_SECONDS, log=self.log)

    def stop(self) -> None:
        """Ask it to end, and see to it."""
        for process in reversed(self._processes):
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=30)
        self.kill()

    def kill(self) -> None:
        """As when the machine loses its power."""
        for process in self._processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self._processes.clear()

    def pause(self) -> None:
        """Let it live and do nothing, until it is killed."""
        for process in self._processes:
            os.killpg(process.pid, signal.SIGSTOP)

    def run(self, *command: str, user: str | None = None, **environment: str) -> None:
        """Start `command` in the folder, with its words in the log."""
        with self.log.open("ab") as log:
            self._processes.append(
                subprocess.Popen(
                    command,
                    cwd=self.folder,
                    env={"PATH": os.environ["PATH"], "HOME": str(self.folder), **environment},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    user=user,
                    group=user,
                    extra_groups=None if user is None else [],
                )
            )


class Postgres(Server):
    """It refuses to run as root, so root starts it as the user of Debian's package."""

    package = "postgresql"

    def prepare(self) -> None:
        self._programs = _newest_postgres()
        self._user = "postgres" if os.getuid() == 0 else None
        self._cluster = self.folder / "cluster"
        self._cluster.mkdir(mode=0o700)
        if self._user:
            shutil.chown(self._cluster, self._user, self._user)
        options = ("--username", "portal", "--auth", "trust", "--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync")
        subprocess.run(
            [self._program("initdb"), "--pgdata", str(self._cluster), *options],
            cwd=self.folder,
            user=self._user,
            group=self._user,
            stdout=subprocess.DEVNULL,
            check=True,
        )

    @property
    def url(self) -> str:
        return self.database("postgres")

    def database(self, name: str) -> str:
        return f"postgresql://portal:portal@127.0.0.1:{self.port}/{name}"

    def launch(self) -> None:
        (self._cluster / "postmaster.pid").unlink(missing_ok=True)
        options = {
            "port": str(self.port),
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "off",
            "max_connections": "200",
        }
        settings = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        self.run(self._program("postgres"), "-D", str(self._cluster), *settings, user=self._user)

    def answers(self) -> bool:
        try:
            with psycopg.connect(self.url, connect_timeout=5):
                return True
        except psycopg.OperationalError:
            return False

    def stop_at_once(self) -> None:
        """Its mode `immediate`: every connection is cut, and the next start recovers from the log."""
        [process] = self._processes
        process.send_signal(signal.SIGQUIT)
        process.wait(timeout=30)
        self._processes.clear()

    def _program(self, name: str) -> str:
        return str(self._programs / name)


class Redis(Server):
    """Without persistence: what it held is gone with it."""

    package = "redis-server"

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def launch(self) -> None:
        options = ("--bind", "127.0.0.1", "--port", str(self.port), "--databases", str(2 * MOST_RUNS))
        self.run(program("redis-server", self.package), *options, "--save", "", "--appendonly", "no")

    def answers(self) -> bool:
        return _broker_answers(self.url)


class RabbitMQ(Server):
    """A node with hosts for several test runs at once, beside `/`.

    It has a name service (epmd) of its own, which would otherwise stay when the node ends.
    """

    package = "rabbitmq-server"
    hosts: Sequence[str] = ("/", *(host(place) for place in range(2 * MOST_RUNS)))

    def __init__(self, folder: Path, **configuration: str | int) -> None:
        self._configuration = configuration
        super().__init__(folder)

    def prepare(self) -> None:
        self._server = program("rabbitmq-server", self.package, path=_SYSTEM)
        self._names = program("epmd", "erlang-base")
        permissions = {"configure": ".*", "write": ".*", "read": ".*"}
        definitions = {
            "users": [{"name": "portal", "password": "portal", "tags": "administrator"}],
            "vhosts": [{"name": host} for host in self.hosts],
            "permissions": [{"user": "portal", "vhost": host, **permissions} for host in self.hosts],
        }
        (self.folder / "definitions.json").write_text(json.dumps(definitions))
        self._lines: dict[str, str | int] = {
            "listeners.tcp.local": f"127.0.0.1:{self.port}",
            "load_definitions": str(self.folder / "definitions.json"),
            "log.console": "true",
            "log.file": "false",
            "disk_free_limit.absolute": "10MB",
            **self._configuration,
        }
        self.configure()
        (self.folder / "enabled_plugins").write_text("[].\n")
        self._names_port, self._nodes_port = free_port(), free_port()

    def configure(self, **more: str | int) -> None:
        """What holds from the next start on: the usual configuration, and `more`."""
        lines = self._lines | more
        (self.folder / "rabbitmq.conf").write_text("".join(f"{name} = {value}\n" for name, value in lines.items()))

    @property
    def url(self) -> str:
        return f"amqp://portal:portal@127.0.0.1:{self.port}//"

    def launch(self) -> None:
        named = {"ERL_EPMD_PORT": str(self._names_port), "ERL_EPMD_ADDRESS": "127.0.0.1"}
        self.run(self._names, **named)
        self.run(
            self._server,
            USER=getpass.getuser(),
            RABBITMQ_NODENAME=f"portal-{self.port}@localhost",
            RABBITMQ_CONFIG_FILE=str(self.folder / "rabbitmq.conf"),
            RABBITMQ_ENABLED_PLUGINS_FILE=str(self.folder / "enabled_plugins"),
            RABBITMQ_CONF_ENV_FILE=str(self.folder / "none.conf"),
            RABBITMQ_MNESIA_BASE=str(self.folder / "mnesia"),
            RABBITMQ_LOG_BASE=str(self.folder),
            RABBITMQ_PID_FILE=str(self.folder / "rabbitmq.pid"),
            RABBITMQ_DIST_PORT=str(self._nodes_port),
            # It looks for messages that nobody acknowledged every minute, which is long for a test.
            RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=(
                "-kernel inet_dist_use_interface {127,0,0,1} -rabbit channel_tick_interval 200"
            ),
            LANG="C.UTF-8",
            **named,
        )

    def answers(self) -> bool:
        return _broker_answers(self.url)

    def forget(self) -> None:
        """Lose all it held. Only while it does not run."""
        shutil.rmtree(self.folder / "mnesia", ignore_errors=True)


def _broker_answers(url: str) -> bool:
    try:
        with Connection(url, connect_timeout=2, transport_options={"socket_timeout": 2}) as connection:
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=3)
            return True
    except Exception:
        return False


def program(name: str, package: str, *, path: str = "") -> str:
    """Where the program is. Raises `NotInstalled`."""
    found = shutil.which(name, path=path) if path else shutil.which(name)
    if found is None:
        raise NotInstalled(f"There is no {name} on this machine; on Debian: apt-get install {package}")
    return found


def _newest_postgres() -> Path:
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: int(folder.parent.name))
    if found := shutil.which("postgres"):
        folders.append(Path(found).resolve().parent)
    if not folders:
        raise NotInstalled("There is no PostgreSQL on this machine; on Debian: apt-get install postgresql")
    return folders[-1]
