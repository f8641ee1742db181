"""How each of the brokers there may be is spoken to: where its messages lie, or how long it is waited for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured


def transport_options(url: str, *, data_dir: Path) -> dict[str, Any]:
    """What Celery's broker_transport_options wants, for the broker at `url`; the one made of files is in `data_dir`.

    Raises `ImproperlyConfigured` for a broker that is not known here.
    """
    if url.startswith("files://"):
        return {
            "data_folder_in": str(data_dir / "broker"),
            "data_folder_out": str(data_dir / "broker"),
            "control_folder": str(data_dir / "broker-control"),
            "polling_interval": 0.1,
        }
    if url.startswith(("redis://", "rediss://")):
        return {
            "visibility_timeout": 43_200,
            "socket_connect_timeout": 2,
            "socket_timeout": 5,
            "health_check_interval": 5,
        }
    if url.startswith(("amqp://", "amqps://")):
        return {"confirm_publish": True}
    raise ImproperlyConfigured("Vi Portal cannot start: CELERY_BROKER_URL must be files://, redis:// or amqp://")
