"""An answer held back until a job is over, for clients that ask and then sleep.

What stands between them and us seldom waits longer than a minute, and a job may last longer. Whoever was held back in
vain is therefore sent to the same address again, which clients follow at once, where after a plain answer they would
sleep first.
"""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from vi_portal.jobs.models import Job
from vi_portal.jobs.waiting import wait_for_end

#: So often in a row; common clients follow 20 times at most.
ROUNDS = 10
_ROUND = "round"


def held_back(request: HttpRequest, response: HttpResponse, job: Job, *, seconds: float) -> int:
    """The status for an answer that tells of `job`, after its end was waited for, `seconds` at most.

    200, or 307 with the address in `response`, if the client should ask at once again. Raises `DoesNotExist` where
    the job was deleted.
    """
    in_vain = wait_for_end(job, seconds=seconds)
    given = request.GET.get(_ROUND, "")
    done = int(given) if given.isascii() and given.isdecimal() and len(given) < 3 else 0
    if not in_vain or done >= ROUNDS:
        return 200
    query = request.GET.copy()
    query[_ROUND] = str(done + 1)
    response["Location"] = f"?{query.urlencode()}"
    return 307
