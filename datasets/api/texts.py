"""Names and texts as programs give them: checked before they are kept."""

from __future__ import annotations

from vi_portal.api.errors import ApiError
from vi_portal.api.texts import can_be_kept


def checked_name(given: str, *, limit: int, what: str) -> str:
    name = given.strip()
    if not 0 < len(name) <= limit:
        raise ApiError(400, f"{what} must have 1 to {limit:,} characters.")
    return checked_text(name)


def checked_text(given: str) -> str:
    """Text a database can hold: no NUL, no half of a surrogate pair."""
    if not can_be_kept(given):
        raise ApiError(400, "The text has a character that is not allowed.")
    return given
