"""The portal's logs: an event a line, on standard error; what opens a door is masked, whoever wrote the line."""

from __future__ import annotations

import logging
import re
from typing import Any, TextIO

_OPENS = (
    #: The signature in a download link, wherever the link stands: in a path, a query, the text of an exception.
    (re.compile(r"(/exports/[0-9a-f-]{36}/download/)[^/\s'\"]+"), r"\1***"),
    #: A secret key, and what is left of one that was cut.
    (re.compile(r"(dtvi_)[A-Za-z0-9_-]{8,}"), r"\1***"),
    #: The credential in a signed link: the number of a key, milliseconds, a signature.
    (re.compile(r"([0-9]+\.[0-9]{13,15}\.)[A-Za-z0-9_-]{8,}"), r"\1***"),
    #: What a link to a file store was signed with.
    (re.compile(r"(X-Amz-(?:Signature|Credential|Security-Token)=)[^&\s'\"]+", re.IGNORECASE), r"\1***"),
)


def masked(text: str) -> str:
    """`text` without the keys and signatures in it."""
    for pattern, left in _OPENS:
        text = pattern.sub(left, text)
    return text


class MaskingHandler(logging.StreamHandler[TextIO]):
    """Writes lines to standard error, without keys and signatures."""

    def format(self, record: logging.LogRecord) -> str:
        return masked(super().format(record))


def configuration(form: str, level: int) -> dict[str, Any]:
    """What Django's LOGGING wants, for lines of the form "text" or "json" from `level` upward."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "text": {
                "()": "vi_portal.log_context.TextFormatter",
                "fmt": "{asctime} {levelname:<7} {name}: {message}",
                "style": "{",
            },
            "json": {
                "()": "pythonjsonlogger.json.JsonFormatter",
                "fmt": "{asctime}{levelname}{name}{message}",
                "style": "{",
                "rename_fields": {"asctime": "time", "levelname": "level", "name": "logger"},
            },
        },
        "filters": {"context": {"()": "vi_portal.log_context.ContextFilter"}},
        "handlers": {
            "stderr": {"class": "vi_portal.logs.MaskingHandler", "formatter": form, "filters": ["context"]},
        },
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            "axes": {"level": "WARNING"},
            # At lower levels these write down what they sign, and with what.
            **{name: {"level": "WARNING"} for name in ("boto3", "botocore", "s3transfer", "urllib3")},
            # Without the handlers that Django gives it, one of which writes past ours with DEBUG.
            "django": {"level": "INFO"},
            # Anybody can send a wrong Host header; it is answered with 400 and is no event of ours.
            "django.security.DisallowedHost": {"level": "CRITICAL"},
            "django.server": {"handlers": ["stderr"], "propagate": False},
        },
    }
