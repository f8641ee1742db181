"""Run a command with servers beside it: `python -m tests.services.run postgres redis -- pytest tests/jobs`.

The command finds their addresses in DATABASE_URL, CELERY_BROKER_URL and TEST_STORE_URL. They end when it ends, whatever
ends it, and leave nothing behind. The exit code is the command's.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from tests.services.servers import NotInstalled, Postgres, RabbitMQ, Redis, Server
from tests.services.swift import Swift

SERVERS: dict[str, tuple[type[Server], str]] = {
    "postgres": (Postgres, "DATABASE_URL"),
    "redis": (Redis, "CELERY_BROKER_URL"),
    "rabbitmq": (RabbitMQ, "CELERY_BROKER_URL"),
    "swift": (Swift, "TEST_STORE_URL"),
}


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.services.run", description=__doc__)
    parser.add_argument("servers", nargs="+", choices=SERVERS)
    if "--" not in arguments:
        parser.error("What to run comes after --")
    cut = list(arguments).index("--")
    names, command = parser.parse_args(arguments[:cut]).servers, arguments[cut + 1 :]
    signal.signal(signal.SIGTERM, _as_ctrl_c)
    parent = _place_with_attributes()
    if parent is None and "swift" in names:
        print("LEFT OUT: Swift, for no file system here keeps extended attributes. moto stands in.", file=sys.stderr)
        names.remove("swift")
    with tempfile.TemporaryDirectory(prefix="vi-portal-servers-", dir=parent, ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)  # PostgreSQL may run as somebody else
        return _run_beside(names, Path(folder), command)


def _place_with_attributes() -> str | None:
    """A folder for temporary files whose file system keeps extended attributes, as Swift wants."""
    for folder in (tempfile.gettempdir(), "/var/tmp", "/dev/shm"):
        with suppress(OSError), tempfile.TemporaryDirectory(dir=folder) as probe:
            os.setxattr(probe, "user.tests", b"")
            return folder
    return None


def _run_beside(names: Sequence[str], folder: Path, command: Sequence[str]) -> int:
    servers: list[Server] = []
    environment = dict(os.environ)
    try:
        for name in names:
            kind, variable = SERVERS[name]
            servers.append(kind(folder / name))
            environment[variable] = servers[-1].url
        with ThreadPoolExecutor() as threads:
            list(threads.map(Server.start, servers))
        return subprocess.run(command, env=environment, check=False).returncode
    except NotInstalled as error:
        print(error, file=sys.stderr)
        return 2
    finally:
        for server in servers:
            server.stop()


def _as_ctrl_c(*_: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
