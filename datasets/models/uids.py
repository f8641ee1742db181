"""The public ids of assets and annotations."""

from __future__ import annotations

import uuid


def new_uid() -> str:
    return str(uuid.uuid4())
