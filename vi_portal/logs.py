"""The handler of the portal's logs: what opens a door is masked in every line, whoever wrote it and in any format."""

from __future__ import annotations

import logging
import re
from typing import TextIO

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
