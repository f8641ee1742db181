"""The portal's own settings, in a folder of the test run's own."""

import os
import tempfile
from pathlib import Path

_folder = tempfile.TemporaryDirectory(prefix="vi-portal-tests-")
os.environ["DATA_DIR"] = _folder.name
os.environ.setdefault("HTTPS", "off")
os.environ["DEBUG"] = "off"
(Path(_folder.name) / "static").mkdir()

from vi_portal.settings import *  # noqa: E402, F403
from vi_portal.settings import DATABASES, STORAGES  # noqa: E402

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = STORAGES | {
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
# A file, not memory: the pipeline reads over a second connection, and other processes take part.
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["TEST"] = {"NAME": Path(_folder.name) / "test.sqlite3"}
