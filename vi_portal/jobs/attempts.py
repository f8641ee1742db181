"""One attempt at a job: worked on, and settled whatever befalls it."""

from __future__ import annotations

import errno
import logging
import uuid
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from django.conf import settings
from django.db import OperationalError
from django.utils.text import capfirst

from vi_portal.jobs.lease import LeaseLost
from vi_portal.jobs.models import DISK_FULL, REFUSED, STORE_FAILED, UNEXPECTED, Job, Refused
from vi_portal.log_context import working_on
from vi_portal.s3.failures import StoreFailed

log = logging.getLogger(__name__)

J = TypeVar("J", bound=Job)


def started(kind: type[J], job_id: uuid.UUID, *, worker: str) -> J | None:
    """The job `job_id`, now held by `worker`; None if it is not to be done any more."""
    try:
        return kind.start(job_id, worker=worker)
    except Refused:
        log.info("%s %s is not waiting; nothing to do.", _called(kind), job_id, extra={"job": str(job_id)})
        return None


def attempt(
    job: J, *, work: Callable[[J], None], expected: type[Exception], reason: Callable[[Exception], str]
) -> None:
    """Do `work` on `job`, which was just started. Never raises for what can befall a job.

    What `work` raises becomes the sentence in the row, by `reason`; what is not `expected` also goes to the log, with
    its trace, and the sentence says what to look for there. If the database or the file store fails, another attempt
    follows, if there is one left.
    """
    with working_on(str(job.log_id), user=job.user_id, request_id=job.request_id):
        called, job_id = _called(type(job)), job.pk
        log.info("%s %s started, attempt %d.", called, job_id, job.attempts)
        try:
            work(job)
        except (LeaseLost, Refused):
            log.info("%s %s was taken from this worker.", called, job_id)
        except OperationalError:
            log.exception("%s %s: the database failed; another attempt follows.", called, job_id)
            settle(job.release)
        except StoreFailed as error:
            if error.lasting or job.attempts >= settings.JOB_MAX_ATTEMPTS:
                _fail(job, error, reason(error), foreseen=True)
            else:
                log.warning("%s %s: another attempt follows. %s", called, job_id, error.what)
                settle(partial(job.put_back, error.what))
        except Exception as error:
            _fail(job, error, reason(error), foreseen=isinstance(error, expected))


def settle(verb: Callable[[], None]) -> None:
    """Do `verb`, the last word on a job that did not go well, where it still can be said."""
    try:
        verb()
    except Refused:
        log.info("The job was moved by somebody else meanwhile.")
    except OperationalError:
        log.exception("The row could not be updated; the sweep will see to it.")


def is_full_disk(error: Exception) -> bool:
    """Whether `error` is that nothing more could be written, for want of space or by a quota."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def _fail(job: Job, error: Exception, told: str, *, foreseen: bool) -> None:
    level = logging.INFO if foreseen else logging.ERROR
    log.log(level, "%s %s failed: %s", _called(type(job)), job.pk, told, exc_info=not foreseen)
    sentence = told if foreseen else f"{told} In the log, look for {job.log_id}."
    settle(partial(job.fail, sentence, cause=_cause(error, foreseen=foreseen)))


def _cause(error: Exception, *, foreseen: bool) -> str:
    if isinstance(error, StoreFailed):
        return STORE_FAILED
    if is_full_disk(error):
        return DISK_FULL
    return REFUSED if foreseen else UNEXPECTED


def _called(kind: type[Job]) -> str:
    return capfirst(str(kind._meta.verbose_name))
