"""How long the store is waited for: a worker can wait, a person before a page cannot."""

from __future__ import annotations

import os

_hurried: set[int] = set()


def be_quick() -> None:
    """Have this program, but not those it starts, wait little for the store: somebody waits for it in turn."""
    _hurried.add(os.getpid())


def is_quick() -> bool:
    return os.getpid() in _hurried
