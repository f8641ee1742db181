"""Long writes in batches give way, about once a second, to whoever waits to write.

SQLite has no queue: who waits looks again every tenth of a second at the latest, and one who writes batch after batch
has begun the next before that. Without a pause the others would wait until the last batch, or give up.
"""

from __future__ import annotations

import time

from django.db import connection

#: So long one may go on writing.
_STRETCH_SECONDS = 0.8
#: A little more than the longest that SQLite sleeps between two looks.
_PAUSE_SECONDS = 0.12


class GivingWay:
    """For one long write: call `between` wherever it is outside a transaction."""

    def __init__(self) -> None:
        self._since = time.monotonic()

    def between(self) -> None:
        """Pause, if that is due."""
        if connection.vendor == "sqlite" and time.monotonic() - self._since > _STRETCH_SECONDS:
            time.sleep(_PAUSE_SECONDS)
            self._since = time.monotonic()
