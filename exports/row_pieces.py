"""The rows of the job history as HTML, each drawn once for all who see the same.

Many people look at one history, and ask for it again and again; from one time to the next most rows stay as they are.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from hashlib import blake2b
from typing import Any

from django.template.loader import render_to_string
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from exports.job_rows import JobRow

#: So many pieces are kept, of about five kilobytes each.
_KEPT = 1_000

_pieces: OrderedDict[bytes, str] = OrderedDict()
_lock = threading.Lock()


def piece(row: JobRow[Any], *, place: str) -> SafeString:
    """The `row` as the history shows it; `place` is the query that leads back to this view of it."""
    drawn = _drawn(row, place)
    for mark, own in row.personal.items():
        drawn = drawn.replace(mark, escape(own))
    return mark_safe(drawn)  # noqa: S308 - a template made it


def _drawn(row: JobRow[Any], place: str) -> str:
    key = blake2b(repr((place, row.told)).encode(errors="surrogatepass"), digest_size=16).digest()
    with _lock:
        if (kept := _pieces.get(key)) is not None:
            _pieces.move_to_end(key)
            return kept
    whole = render_to_string(row.template, {"row": row, "job": row.job, "place": place})
    drawn = "\n".join(line for each in whole.splitlines() if (line := each.strip()))
    with _lock:
        _pieces[key] = drawn
        if len(_pieces) > _KEPT:
            _pieces.popitem(last=False)
    return drawn
