"""How gunicorn serves the portal: `gunicorn vi_portal.wsgi` reads this by itself.

One server process with many threads: a slow download holds a thread, and threads are cheap; the work that takes a
CPU is the worker's. Addresses come from the portal's settings.
"""

import os
import sys
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from gunicorn.glogging import Logger

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vi_portal.settings")

try:
    from vi_portal import settings
    from vi_portal.logs import masked
except ImproperlyConfigured as error:
    sys.exit(str(error))


class MaskingLogger(Logger):  # type: ignore[misc]
    """Writes the lines of an access log, where one is asked for, without keys and signatures."""

    def atoms(self, *request: Any) -> dict[str, Any]:
        told: dict[str, Any] = super().atoms(*request)
        return {name: masked(text) if isinstance(text, str) else text for name, text in told.items()}


bind = f"[{settings.HOST}]:{settings.PORT}" if ":" in settings.HOST else f"{settings.HOST}:{settings.PORT}"
worker_class = "gthread"
workers = 1
threads = 64
keepalive = 15
graceful_timeout = 30
control_socket_disable = True
logger_class = MaskingLogger
# Its lines go where the portal's go, in the portal's format. The second logger warns of every HEAD request that
# was answered like a GET, as Django does; the body is dropped all the same.
_loggers = {"gunicorn.error": {"level": "WARNING", "propagate": True}, "gunicorn.http.wsgi": {"level": "ERROR"}}
logconfig_dict = settings.LOGGING | {"loggers": settings.LOGGING["loggers"] | _loggers}
