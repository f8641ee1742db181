"""Every setting, read once from the environment; a wrong value ends the program with its name and reason.

The defaults are the embedded portal: SQLite, a broker made of files, and everything local under DATA_DIR.
README lists the variables; `.env.example` is the same list as a file to copy.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import django_stubs_ext
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from environs import Env, EnvError, validate

from vi_portal import broker_options, databases, file_storages, installation, logs

# Lets Django's generic classes be written with their type: ModelAdmin[Dataset], FormView[ExportForm] ...
django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parent.parent

env = Env()
env.read_env(BASE_DIR / ".env", recurse=False)

try:
    # Where things live
    DATA_DIR = installation.folder(Path(env.str("DATA_DIR", str(BASE_DIR / "var"))).resolve())
    DATABASE: dict[str, Any] = env.dj_db_url(
        "DATABASE_URL", default=f"sqlite:///{DATA_DIR / 'portal.sqlite3'}", conn_max_age=60
    )
    # Apart from DATA_DIR where programs and their static files come together, as in a container.
    STATIC_ROOT = Path(env.str("STATIC_ROOT", "") or DATA_DIR / "static").resolve()
    CELERY_BROKER_URL = env.str("CELERY_BROKER_URL", "files://", validate=validate.Length(min=1))

    # Who may reach the portal, and how
    HOST = env.str("HOST", "127.0.0.1", validate=validate.Length(min=1))
    PORT = env.int("PORT", 8000, validate=validate.Range(min=1, max=65_535))
    DEBUG = env.bool("DEBUG", False)
    SECRET_KEY = env.str("SECRET_KEY", "") or installation.local_secret_key(DATA_DIR / "secret-key")
    SECRET_KEY_FALLBACKS: list[str] = env.list("SECRET_KEY_FALLBACKS", [])
    ALLOWED_HOSTS: list[str] = env.list("ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"])
    CSRF_TRUSTED_ORIGINS: list[str] = env.list("CSRF_TRUSTED_ORIGINS", [])
    HTTPS = env.bool("HTTPS", not DEBUG)
    BEHIND_PROXY = env.bool("BEHIND_PROXY", False)

    # Exports
    EXPORT_RETENTION_DAYS = env.int("EXPORT_RETENTION_DAYS", 7, validate=validate.Range(min=1))
    DOWNLOAD_LINK_HOURS = env.int("DOWNLOAD_LINK_HOURS", 12, validate=validate.Range(min=1))
    # An export of more records than this is dealt out to the workers that are free, in shards of about this many.
    EXPORT_SHARD_RECORDS = env.int("EXPORT_SHARD_RECORDS", 5_000, validate=validate.Range(min=1))
    # How many of the web server's threads may wait with a client for a job to end; the next is answered at once.
    EXPORT_WAITERS = env.int("EXPORT_WAITERS", 16, validate=validate.Range(min=0, max=48))
    # The internal location of nginx for DATA_DIR/exports, like /archives/; empty where the portal sends them itself.
    X_ACCEL_REDIRECT = env.str("X_ACCEL_REDIRECT", "")
    JOB_LEASE_SECONDS = env.float("JOB_LEASE_SECONDS", 30, validate=validate.Range(min=1))
    JOB_GRACE_SECONDS = env.float("JOB_GRACE_SECONDS", 15, validate=validate.Range(min=0.5))
    JOB_SWEEP_SECONDS = env.float("JOB_SWEEP_SECONDS", 5, validate=validate.Range(min=0.1))
    # After a failure of the file store; twice as long after the second.
    JOB_PAUSE_SECONDS = env.float("JOB_PAUSE_SECONDS", 15, validate=validate.Range(min=0))
    JOB_MAX_ATTEMPTS = env.int("JOB_MAX_ATTEMPTS", 3, validate=validate.Range(min=1))

    # Files on an S3-compatible store, for several machines; with no bucket, under DATA_DIR
    S3_BUCKET = env.str("S3_BUCKET", "")
    S3_PREFIX = env.str("S3_PREFIX", "").strip("/")
    S3_ENDPOINT = env.str("S3_ENDPOINT", "", validate=file_storages.check_endpoint)
    # Where browsers and clients reach the store, if that is another address than the portal's.
    S3_PUBLIC_ENDPOINT = env.str("S3_PUBLIC_ENDPOINT", "", validate=file_storages.check_endpoint)
    S3_REGION = env.str("S3_REGION", "us-east-1")
    # Both empty: what the machine itself is allowed, as the tools of AWS find it.
    S3_ACCESS_KEY_ID = env.str("S3_ACCESS_KEY_ID", "")
    S3_SECRET_ACCESS_KEY = env.str("S3_SECRET_ACCESS_KEY", "")
    S3_ADDRESSING = env.str("S3_ADDRESSING", "auto", validate=validate.OneOf(["auto", "path", "virtual"]))
    # Off for stores that do not know CRC-32 checksums; they are told MD5s.
    S3_CHECKSUMS = env.bool("S3_CHECKSUMS", True)
    # Off for stores that copy no ranges into an upload (UploadPartCopy), or want all parts of one to be equally large.
    S3_JOIN = env.bool("S3_JOIN", True)
    # Downloads lead to the store by links good for S3_LINK_SECONDS, or come through the portal.
    S3_DOWNLOADS = env.str("S3_DOWNLOADS", "redirect", validate=validate.OneOf(["redirect", "portal"]))
    S3_LINK_SECONDS = env.int("S3_LINK_SECONDS", 900, validate=validate.Range(min=30, max=604_800))
    # How often the store is searched for what no job owns.
    S3_SWEEP_SECONDS = env.float("S3_SWEEP_SECONDS", 300, validate=validate.Range(min=0.1))

    # Uploads
    UPLOAD_MAX_MB = env.int("UPLOAD_MAX_MB", 1024, validate=validate.Range(min=1))
    UPLOAD_QUIET_SECONDS = env.float("UPLOAD_QUIET_SECONDS", 600, validate=validate.Range(min=1))

    # The worker
    # How many jobs a worker does at once, each in a process of its own.
    WORKER_CONCURRENCY = env.int("WORKER_CONCURRENCY", 2, validate=validate.Range(min=1, max=64))
    DRAIN_SECONDS = env.float("DRAIN_SECONDS", 120, validate=validate.Range(min=0))
    TENSORFLOW_WARM_UP = env.bool("TENSORFLOW_WARM_UP", True)

    # Metrics: what Prometheus shows to read them; empty for this machine alone.
    METRICS_TOKEN = env.str("METRICS_TOKEN", "")

    # Logs
    LOG_FORMAT = env.str("LOG_FORMAT", "text", validate=validate.OneOf(["text", "json"]))
    LOG_LEVEL = env.log_level("LOG_LEVEL", logging.INFO)
except (EnvError, OSError, ValueError) as error:
    raise ImproperlyConfigured(f"Vi Portal cannot start: {error}") from error

# Applications

INSTALLED_APPS = [
    "vi_portal.accounts",
    "vi_portal.jobs",
    "datasets",
    "exports",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.humanize",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django_htmx",
    "csp",
    "axes",
    "ninja",
]

# No GZipMiddleware: it would corrupt byte ranges of the downloads.
MIDDLEWARE = [
    "vi_portal.metrics.RequestTimes",
    "vi_portal.api.middleware.ApiMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "vi_portal.urls"
WSGI_APPLICATION = "vi_portal.wsgi.application"
APPEND_SLASH = True

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# Database

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = databases.databases(DATABASE)

# Files

STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
MEDIA_ROOT = DATA_DIR / "media"
ARCHIVE_DIR = DATA_DIR / "exports"
SPOOL_DIR = DATA_DIR / "spool"
UPLOAD_DIR = DATA_DIR / "uploads"

STORAGES = file_storages.storages(
    file_storages.Store(
        bucket=S3_BUCKET,
        prefix=S3_PREFIX,
        endpoint=S3_ENDPOINT,
        public_endpoint=S3_PUBLIC_ENDPOINT,
        region=S3_REGION,
        access_key_id=S3_ACCESS_KEY_ID,
        secret_access_key=S3_SECRET_ACCESS_KEY,
        addressing=S3_ADDRESSING,
        checksums=S3_CHECKSUMS,
    ),
    sent_by_nginx=bool(X_ACCEL_REDIRECT),
    debug=DEBUG,
)

# Sign-in

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "sign-in"
LOGIN_REDIRECT_URL = "explorer"
LOGOUT_REDIRECT_URL = "sign-in"

AXES_FAILURE_LIMIT = 10
AXES_CLIENT_IP_CALLABLE = "vi_portal.accounts.addresses.client_address"
AXES_COOLOFF_TIME = 0.25  # hours
AXES_RESET_ON_SUCCESS = True
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_LOCKOUT_TEMPLATE = "accounts/locked_out.html"
AXES_VERBOSE = False

# Browser security

if HTTPS:
    SECURE_SSL_REDIRECT = True
    SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^metrics$"]
    SECURE_HSTS_SECONDS = 31_536_000
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True
if BEHIND_PROXY:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    USE_X_FORWARDED_HOST = True

X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "form-action": [SELF],
    }
}

# Language and time

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False
USE_THOUSAND_SEPARATOR = True

# Background jobs: the rows are the truth, a message only wakes a worker up.

CELERY_TASK_IGNORE_RESULT = True
# Acknowledged when it was answered, so that a worker which is busy holds no bell that another could answer.
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = False
CELERY_TASK_PUBLISH_RETRY_POLICY = {
    "max_retries": 1,
    "interval_start": 0,
    "interval_step": 0.2,
    "interval_max": 0.2,
}
CELERY_WORKER_CONCURRENCY = WORKER_CONCURRENCY
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
# Its connection is what notices a Redis that restarted. Files have no such trouble, and would keep the messages
# to every worker there ever was.
CELERY_WORKER_ENABLE_REMOTE_CONTROL = not CELERY_BROKER_URL.startswith("files://")
CELERY_WORKER_LOST_WAIT = 2
CELERY_WORKER_PROC_ALIVE_TIMEOUT = 60
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# RabbitMQ closes the channel when a bell is not acknowledged within its `consumer_timeout`. The worker listens anew;
# what it is at goes on.
CELERY_BROKER_CHANNEL_ERROR_RETRY = True
CELERY_BROKER_TRANSPORT_OPTIONS = broker_options.transport_options(CELERY_BROKER_URL, data_dir=DATA_DIR)

# Reports of errors

DEFAULT_EXCEPTION_REPORTER = "vi_portal.error_reports.MaskingReporter"
DEFAULT_EXCEPTION_REPORTER_FILTER = "vi_portal.error_reports.AlwaysCareful"

# Logs: one line an event on standard error.

LOGGING = logs.configuration(LOG_FORMAT, LOG_LEVEL)
