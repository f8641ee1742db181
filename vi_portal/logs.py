"""The handler of the portal's logs: what opens a door is masked in every line, whoever wrote it and in any format."""

from __future__ import annotations

import logging
import re
from typing import TextIO

#: The signature in a download link, wherever the link stands: in a path, a query, the text of an exception.
_SIGNATURE = re.compile(r"(/exports/[0-9a-f-]{36}/download/)[^/\s'\"]+")


class MaskingHandler(logging.StreamHandler[TextIO]):
    """Writes lines to standard error, without the signatures of download links."""

    def format(self, record: logging.LogRecord) -> str:
        return _SIGNATURE.sub(r"\1***", super().format(record))
