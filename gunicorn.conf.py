"""How gunicorn serves the portal: `gunicorn vi_portal.wsgi` reads this by itself.

One server process with many threads: threads are cheap, slow downloads hold none, and the work that takes a CPU is
the worker's. Addresses come from the portal's settings.
"""

import os
import resource
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


class MaskingLogger(Logger):  # type: ignore[misc]  # gunicorn has no types
    """Writes the lines of an access log, where one is asked for, without keys and signatures."""

    def atoms(self, *request: Any) -> dict[str, Any]:
        told: dict[str, Any] = super().atoms(*request)
        return {name: masked(text) if isinstance(text, str) else text for name, text in told.items()}


bind = f"[{settings.HOST}]:{settings.PORT}" if ":" in settings.HOST else f"{settings.HOST}:{settings.PORT}"
worker_class = "vi_portal.slow_readers.SlowReaderWorker"
workers = 1
threads = 64
keepalive = 15
graceful_timeout = 30
control_socket_disable = True
# A download has two files open: the connection and the archive. The usual limit is made for fewer.
_limit, _most = resource.getrlimit(resource.RLIMIT_NOFILE)
_limit = max(_limit, 4_200 if _most == resource.RLIM_INFINITY else min(_most, 4_200))
resource.setrlimit(resource.RLIMIT_NOFILE, (_limit, _most))
worker_connections = max(min(2_000, (_limit - 200) // 2), 2 * threads)
logger_class = MaskingLogger
# Its lines go where the portal's go, in the portal's format. The second logger warns of every HEAD request that
# was answered like a GET, as Django does; the body is dropped all the same.
_loggers = {"gunicorn.error": {"level": "WARNING", "propagate": True}, "gunicorn.http.wsgi": {"level": "ERROR"}}
logconfig_dict = settings.LOGGING | {"loggers": settings.LOGGING["loggers"] | _loggers}
