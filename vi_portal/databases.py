"""The two connections to the one database there is: `default`, and `snapshot` for what must see a single moment.

`snapshot` is the same database read in one transaction of its own: an export sees one moment, while the row of its
job moves on over `default`.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from django.core.exceptions import ImproperlyConfigured

#: One of Django's DATABASES.
Connection: TypeAlias = dict[str, Any]

# Pages of a new file are four times as large as usual: what an export reads stands together, in fewer of them.
_PRAGMAS = "PRAGMA page_size=16384; PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-8000;"


def databases(named: Connection) -> dict[str, Connection]:
    """What Django's DATABASES wants, for the database that DATABASE_URL names.

    Raises `ImproperlyConfigured` unless that is PostgreSQL, or SQLite in a file.
    """
    match named["ENGINE"]:
        case "django.db.backends.sqlite3":
            default, snapshot = _sqlite(named)
        case "django.db.backends.postgresql":
            default, snapshot = _postgresql(named)
        case _:
            raise ImproperlyConfigured("Vi Portal cannot start: DATABASE_URL must be sqlite:// or postgresql://")
    return {"default": default, "snapshot": snapshot | {"CONN_MAX_AGE": 0, "TEST": {"MIRROR": "default"}}}


def _sqlite(named: Connection) -> tuple[Connection, Connection]:
    if not named["NAME"] or named["NAME"] == ":memory:":
        raise ImproperlyConfigured(
            "Vi Portal cannot start: DATABASE_URL must name a file (sqlite:////folder/portal.sqlite3), "
            "because web and worker are separate programs."
        )
    options = {"timeout": 20, "init_command": _PRAGMAS}
    default = named | {"OPTIONS": options | {"transaction_mode": "IMMEDIATE"}}
    # A deferred transaction takes no write lock; in WAL its first read fixes what it sees.
    snapshot = named | {"OPTIONS": options | {"transaction_mode": "DEFERRED"}}
    return default, snapshot


def _postgresql(named: Connection) -> tuple[Connection, Connection]:
    # Here, so that it is loaded where there is PostgreSQL alone.
    from psycopg import IsolationLevel

    options = {"connect_timeout": 5} | named.get("OPTIONS", {})
    default = named | {"CONN_HEALTH_CHECKS": True, "OPTIONS": options}
    snapshot = default | {"OPTIONS": options | {"isolation_level": IsolationLevel.REPEATABLE_READ}}
    return default, snapshot
