"""Which texts may be kept, by any of the databases."""

from __future__ import annotations

import re

_NOT_KEPT = re.compile("[\x00\ud800-\udfff]")


def can_be_kept(text: str) -> bool:
    """Whether `text` has neither NUL nor half of a surrogate pair in it, which a database refuses."""
    return _NOT_KEPT.search(text) is None
