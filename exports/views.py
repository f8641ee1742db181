"""The Annotations tab: the export dialog, the job history, and what may be done with an export.

Each view serves the whole page to a browser without JavaScript and its own piece of it to htmx.
"""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from datasets.filters import AssetFilter
from datasets.models import Dataset
from datasets.views.access import dataset_to_see, membership_in
from exports.answers import MAY_NOT_EXPORT, changed, history_context, piece_or_page, unless_unchanged
from exports.dispatch import repeat_export, request_export
from exports.export_rows import may_alter
from exports.forms import ExportForm, formats_for
from exports.history import PACES
from exports.models import ExportJob
from exports.preview import count, preview
from exports.spec import SpecError
from vi_portal.accounts.models import Membership
from vi_portal.accounts.requests import SignedInRequest
from vi_portal.jobs.models import Refused

MAY_NOT_ALTER = "Only {owner} or an editor of the organization may do this."


@require_safe
def annotations_page(request: SignedInRequest, pk: uuid.UUID) -> HttpResponse:
    """The page."""
    dataset, membership = _dataset_and_membership(request, pk)
    carried = AssetFilter.parse(request.GET)
    context = history_context(dataset, membership, request.GET) | {
        "tab": "annotations",
        "formats": formats_for(dataset),
        "carried_count": count(carried, dataset=dataset).selected if carried else None,
    }
    return render(request, "exports/page.html", context)


@require_safe
def job_history(request: SignedInRequest, pk: uuid.UUID) -> HttpResponseBase:
    """The history alone, asked for again and again while a job on it is active."""
    dataset, membership = _dataset_and_membership(request, pk)
    # Less than has passed since the last time, so that it is never the same again while a job goes on.
    within = 0.8 * PACES.get(request.GET.get("pace", ""), 0.0)
    context = history_context(dataset, membership, request.GET, within=within)
    response = render(request, "exports/_followed_history.html", context)
    return unless_unchanged(request, response)


@require_http_methods(["GET", "HEAD", "POST"])
def export(request: SignedInRequest, pk: uuid.UUID) -> HttpResponse:
    """The dialog, and the export it asks for."""
    dataset, membership = _dataset_and_membership(request, pk)
    _require_export(membership)
    if request.method != "POST":
        form = ExportForm.blank(dataset, AssetFilter.parse(request.GET))
        return _dialog(request, form, piece="exports/_export_dialog.html")
    form = ExportForm(request.POST, dataset=dataset)
    if form.is_valid():
        try:
            request_export(form.spec, dataset=dataset, user=request.user)
        except SpecError as error:
            form.refuse(error)
        else:
            return changed(request, dataset, membership)
    return _dialog(request, form, piece="exports/_export_form.html")


@require_POST
def export_preview(request: SignedInRequest, pk: uuid.UUID) -> HttpResponse:
    """The dialog again, with what the options typed so far would bring. Nothing is exported."""
    dataset, membership = _dataset_and_membership(request, pk)
    _require_export(membership)
    return _dialog(request, ExportForm(request.POST, dataset=dataset), piece="exports/_export_form.html")


@require_POST
def cancel(request: SignedInRequest, pk: uuid.UUID) -> HttpResponse:
    job, membership = _job_and_membership(request, pk)
    _require_alter(job, membership)
    try:
        job.cancel(by=request.user.display_name)
    except Refused:
        messages.info(request, "This export was already over, so there was nothing to cancel.")
    return changed(request, job.dataset, membership)


@require_POST
def repeat(request: SignedInRequest, pk: uuid.UUID) -> HttpResponse:
    """Retry what failed, rebuild what expired: the same options and the same seed, as a new job."""
    job, membership = _job_and_membership(request, pk)
    _require_export(membership)
    try:
        repeat_export(job, user=request.user)
    except SpecError as error:
        messages.error(request, str(error))
    return changed(request, job.dataset, membership)


@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: SignedInRequest, pk: uuid.UUID) -> HttpResponse:
    """The question whether, and the deletion of a job with its archive."""
    job, membership = _job_and_membership(request, pk)
    _require_alter(job, membership)
    if request.method != "POST":
        address = reverse("delete-export", args=[job.pk])
        context = {"dataset": job.dataset, "job": job, "address": address, "place": request.GET.urlencode()}
        return piece_or_page(request, "exports/_delete_dialog.html", context)
    try:
        job.discard()
    except Refused:
        messages.error(request, "This export is still in progress. Cancel it first, then delete it.")
    return changed(request, job.dataset, membership)


# Fetch and authorize: what is another organization's does not exist


def _dataset_and_membership(request: SignedInRequest, pk: uuid.UUID) -> tuple[Dataset, Membership]:
    dataset = dataset_to_see(request, pk)
    return dataset, membership_in(request, dataset)


def _job_and_membership(request: SignedInRequest, pk: uuid.UUID) -> tuple[ExportJob, Membership]:
    visible = ExportJob.objects.visible_to(request.user).filter(dataset__deleted_at=None)
    job = get_object_or_404(visible.select_related("dataset", "user"), pk=pk)
    return job, membership_in(request, job.dataset)


def _require_export(membership: Membership) -> None:
    if not membership.may_export:
        raise PermissionDenied(MAY_NOT_EXPORT)


def _require_alter(job: ExportJob, membership: Membership) -> None:
    _require_export(membership)
    if not may_alter(job, membership):
        owner = job.user.display_name if job.user else "its owner"
        raise PermissionDenied(MAY_NOT_ALTER.format(owner=owner))


def _dialog(request: SignedInRequest, form: ExportForm, *, piece: str) -> HttpResponse:
    context = {
        "dataset": form.dataset,
        "form": form,
        "preview": preview(form.spec, dataset=form.dataset),
    }
    return piece_or_page(request, piece, context)
