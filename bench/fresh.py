"""A portal with nothing in it: a folder of its own, the embedded default, and Django set up for it."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def fresh_portal(*, parent: str | None = None) -> Iterator[Path]:
    """Its folder, below `parent` or where temporary files go; it is gone when the block ends. Once in a process."""
    with tempfile.TemporaryDirectory(prefix="vi-portal-bench-", dir=parent) as folder:
        os.environ |= {"DATA_DIR": folder, "DJANGO_SETTINGS_MODULE": "vi_portal.settings", "HTTPS": "off"}
        for name in ("DATABASE_URL", "CELERY_BROKER_URL"):
            os.environ.pop(name, None)
        import django

        django.setup()
        logging.disable(logging.INFO)
        yield Path(folder)
