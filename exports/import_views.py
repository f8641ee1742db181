"""What may be done with an import in the job history: to cancel it, and to delete its row. Both ask first."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from datasets.models import Dataset, ImportJob
from datasets.views.access import dataset_to_edit, membership_in
from exports.answers import changed, piece_or_page
from exports.import_rows import ImportRow
from vi_portal.accounts.models import Membership
from vi_portal.accounts.requests import SignedInRequest
from vi_portal.jobs.models import Refused


@require_http_methods(["GET", "HEAD", "POST"])
def cancel_import(request: SignedInRequest, pk: uuid.UUID) -> HttpResponse:
    """The question whether, and the end of an import. What it wrote stays."""
    job, membership = _import_and_membership(request, pk)
    if request.method != "POST":
        return _asked(request, job, membership, piece="exports/_cancel_import_dialog.html", name="cancel-import")
    try:
        job.cancel(by=request.user.display_name)
    except Refused:
        messages.info(request, "This import was already over, so there was nothing to cancel.")
    return changed(request, job.dataset, membership)


@require_http_methods(["GET", "HEAD", "POST"])
def delete_import(request: SignedInRequest, pk: uuid.UUID) -> HttpResponse:
    """The question whether, and the deletion of an import's row. What it wrote stays."""
    job, membership = _import_and_membership(request, pk)
    if request.method != "POST":
        return _asked(request, job, membership, piece="exports/_delete_import_dialog.html", name="delete-import")
    try:
        job.discard()
    except Refused:
        messages.error(request, "This import is still in progress. Cancel it first, then delete it.")
    return changed(request, job.dataset, membership)


def _import_and_membership(request: SignedInRequest, pk: uuid.UUID) -> tuple[ImportJob, Membership]:
    """The import, if this person may change its dataset. Raises `Http404` or `PermissionDenied`."""
    visible = ImportJob.objects.filter(dataset__in=Dataset.objects.visible_to(request.user))
    job = get_object_or_404(visible.select_related("user").named(), pk=pk)
    job.dataset = dataset_to_edit(request, job.dataset_id)
    return job, membership_in(request, job.dataset)


def _asked(request: SignedInRequest, job: ImportJob, membership: Membership, *, piece: str, name: str) -> HttpResponse:
    context = {
        "dataset": job.dataset,
        "job": job,
        "row": ImportRow(job, membership, None, timezone.now()),
        "address": reverse(name, args=[job.pk]),
        "place": request.GET.urlencode(),
    }
    return piece_or_page(request, piece, context)
