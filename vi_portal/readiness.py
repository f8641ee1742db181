"""What must be so before the portal can start: the tables, the static files, a free port."""

from __future__ import annotations

import errno
import socket
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor


class CannotStart(Exception):
    """The portal cannot be run here and now; the message says why and what to do."""


def check_migrations() -> None:
    """Raise `CannotStart` unless the database has the tables this version needs."""
    executor = MigrationExecutor(connection)
    try:
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            raise CannotStart("The database is not up to date. Bring it there first: python manage.py migrate")
    finally:
        connection.close()


def check_static_files() -> None:
    """Raise `CannotStart` unless the style sheets and scripts are where they are served from."""
    if not settings.DEBUG and not Path(settings.STATIC_ROOT).is_dir():
        raise CannotStart("The static files are not collected yet. Do it first: python manage.py collectstatic")


def check_port(host: str, port: int) -> None:
    """Raise `CannotStart` unless a server could listen there."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise CannotStart(
                f"Port {port} of {host} is already in use. Stop the program that uses it, or choose another port, "
                "for example PORT=8001."
            ) from error
        raise CannotStart(
            f"The portal cannot listen on port {port} of {host}: {error.strerror}. Choose others with HOST and PORT."
        ) from error
