"""Fetching an archive by its signed link."""

from __future__ import annotations

import logging
import uuid

from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from datasets.views.access import membership_in
from exports import storage
from exports.models import ExportJob
from exports.sending import archive_response
from vi_portal.accounts.requests import SignedInRequest
from vi_portal.jobs.models import State
from vi_portal.s3.failures import StoreFailed

log = logging.getLogger(__name__)

_DATASET_GONE = "The dataset was deleted, and with it the job history, so there is no other link."


class Refusal(Exception):
    """The archive is not given out: an HTTP status, what is wrong, and what to do."""

    def __init__(self, status: int, title: str, advice: str, *, rebuild: bool = False) -> None:
        """`rebuild` where making the same export again is the way out."""
        super().__init__(title)
        self.status = status
        self.title = title
        self.advice = advice
        self.rebuild = rebuild


@require_safe
@login_not_required
def download(request: SignedInRequest, pk: uuid.UUID, signature: str, filename: str) -> HttpResponseBase:
    """The archive, or a page that says why not. What is another organization's does not exist.

    The link alone opens nothing: it is good only for the user it was made for, signed in, and allowed to export.
    """
    if not request.user.is_authenticated:
        return _sign_in_first(request)
    job = get_object_or_404(ExportJob.objects.visible_to(request.user).select_related("dataset"), pk=pk)
    try:
        return _archive(request, job, signature)
    except Refusal as refusal:
        if job.dataset.deleted_at:
            refusal.rebuild, refusal.advice = False, _DATASET_GONE
        context = {"dataset": job.dataset, "job": job, "tab": "annotations", "refusal": refusal}
        return render(request, "exports/refused.html", context, status=refusal.status)


def _archive(request: SignedInRequest, job: ExportJob, signature: str) -> HttpResponseBase:
    """The archive, or the way to it. Raises `Refusal`."""
    if not membership_in(request, job.dataset).may_export:
        raise Refusal(403, "You may not download exports", "Ask an owner of the organization to allow you to export.")
    try:
        storage.check_signature(signature, job_id=job.pk, user_id=request.user.pk)
    except storage.LinkExpired as error:
        raise Refusal(410, "This link has expired", "The job history has a fresh one.") from error
    except storage.LinkInvalid as error:
        raise Refusal(
            403, "This link is not valid", "It was changed, or made for somebody else. The job history has yours."
        ) from error
    if job.state != State.FINISHED:
        raise Http404("This export has no archive.")
    if not job.has_archive:
        raise Refusal(410, "This export has expired", "Its archive was deleted. Rebuild it.", rebuild=True)
    try:
        return archive_response(request, job)
    except StoreFailed as error:
        log.warning("The archive of export %s cannot be given out now: %s", job.pk, error)
        raise Refusal(503, "The archive cannot be fetched now", str(error)) from error
    except OSError as error:
        # Behind the row's back: somebody cleaned up, or a disk lost it.
        log.warning("The archive of export %s cannot be given out: %s", job.pk, error)
        raise Refusal(410, "The archive is gone", "It is missing or damaged. Rebuild it.", rebuild=True) from error


def _sign_in_first(request: SignedInRequest) -> HttpResponse:
    """A person is shown the sign-in page; a program is told, so it does not save that page as the archive."""
    if "text/html" in request.headers.get("Accept", ""):
        return redirect_to_login(request.get_full_path())
    return HttpResponse("Sign in to download this export.\n", status=403, content_type="text/plain; charset=utf-8")
