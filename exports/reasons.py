"""Why an export could not be had: the sentence for the person who asked."""

from __future__ import annotations

from exports.planning import ExportFailed
from exports.reading_back import DamagedArchive
from vi_portal.jobs.attempts import is_full_disk
from vi_portal.s3.failures import StoreFailed


def sentence(error: Exception) -> str:
    """What the row says of `error`."""
    if isinstance(error, ExportFailed | StoreFailed):
        return str(error)
    if is_full_disk(error):
        return "The disk is full, so the archive could not be written. Free some space, then retry."
    if isinstance(error, DamagedArchive):
        told = "The archive did not read back as it was written, so it was not published."
        return f"{told} Retry; if it happens again, the disk or the file store spoils what it is given."
    return "Something unexpected went wrong. Retry, or tell your administrator."
