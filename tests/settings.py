"""The portal's own settings, in a folder of the test run's own."""

import os
import tempfile
from pathlib import Path

from tests.brokers import own_broker

_folder = tempfile.TemporaryDirectory(prefix="vi-portal-tests-")
os.environ["DATA_DIR"] = _folder.name
os.environ.setdefault("HTTPS", "off")
os.environ["DEBUG"] = "off"
(Path(_folder.name) / "static").mkdir()
if _broker := os.environ.get("CELERY_BROKER_URL"):
    os.environ["CELERY_BROKER_URL"] = own_broker(_broker)
    os.environ["PORTAL_BROKER_URL"] = own_broker(_broker, of_the_portal=True)  # tests/e2e/portal.py

from vi_portal.settings import *  # noqa: E402, F403
from vi_portal.settings import DATABASES, STORAGES  # noqa: E402

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = STORAGES | {
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
# A file, not memory: the pipeline reads over a second connection, and other processes take part.
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["TEST"] = {"NAME": Path(_folder.name) / "test.sqlite3"}
