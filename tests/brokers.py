"""A broker of its own for each test run, and for the portal beside it, on one server.

Workers of two databases on one queue would take each other's messages: nothing would be lost, but all would wait for
the sweep.
"""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from celery import current_app

#: Runs of tests that may go on side by side.
MOST_RUNS = 8


def own_broker(url: str, *, of_the_portal: bool = False) -> str:
    """The address `url` of a server, narrowed to what belongs to this run: a database of Redis, a host of RabbitMQ."""
    run = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    place = 2 * (run % MOST_RUNS) + of_the_portal
    match urlsplit(url):
        case split if split.scheme == "redis":
            return urlunsplit(split._replace(path=f"/{place}"))
        case split if split.scheme == "amqp":
            return urlunsplit(split._replace(path=f"/{host(place)}"))
    return url


def host(place: int) -> str:
    """What a host of RabbitMQ for tests is called."""
    return f"tests-{place}"


def messages_waiting() -> int:
    """How many messages the broker has for workers."""
    queue = current_app.conf.task_default_queue
    with current_app.connection_for_read() as connection:
        channel: Any = connection.default_channel
        return int(channel.queue_declare(queue=queue, durable=True, auto_delete=False).message_count)
