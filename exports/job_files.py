"""Files whose names tell which attempt at which job made them."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass

_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_KEY = re.compile(rf"({_UUID})-({_UUID})\.(?:part|zip|spool|fragment)")


@dataclass(frozen=True, slots=True)
class JobFile:
    """A file, spool folder, object or unfinished upload that was made for one attempt at one job.

    `remove` removes it, if it is still there. An upload has the name of the object it would become, which may be there
    already: where the store's answer was lost, the upload was begun again.
    """

    key: str
    job_id: uuid.UUID
    token: uuid.UUID
    remove: Callable[[], None]
    unfinished: bool = False

    @classmethod
    def named(cls, key: str, *, remove: Callable[[], None], unfinished: bool = False) -> JobFile | None:
        """The file of the name `key`; None where that is no job's."""
        match = _KEY.fullmatch(key)
        return match and cls(key, uuid.UUID(match[1]), uuid.UUID(match[2]), remove, unfinished)


def name(job_id: uuid.UUID, token: uuid.UUID, kind: str) -> str:
    """What a file of this kind (part, zip, spool or fragment) is called."""
    return f"{job_id}-{token}.{kind}"
