"""Deleting a dataset or an asset from its page: what goes with it is said first, and nothing goes unasked."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from datasets import removal, statistics
from datasets.views.access import dataset_to_edit
from datasets.views.browsing import PREVIEW_SIZE
from vi_portal.accounts.requests import SignedInRequest


@require_http_methods(["GET", "HEAD", "POST"])
def delete_dataset(request: SignedInRequest, pk: uuid.UUID) -> HttpResponse:
    """The question whether, and the deletion."""
    dataset = dataset_to_edit(request, pk)
    if request.method != "POST":
        context = {
            "dataset": dataset,
            "tab": "overview",
            "counts": statistics.counts_of([dataset])[dataset.pk],
            "preview": dataset.assets.order_by("pk")[:PREVIEW_SIZE],
        }
        return render(request, "datasets/delete_dataset.html", context)
    removal.remove_dataset(dataset, by=request.user.display_name)
    messages.success(request, f"“{dataset.name}” was deleted.")
    return redirect(f"{reverse('explorer')}?organization={dataset.organization_id}")


@require_http_methods(["GET", "HEAD", "POST"])
def delete_asset(request: SignedInRequest, pk: uuid.UUID, uid: str) -> HttpResponse:
    """The question whether, and the deletion."""
    dataset = dataset_to_edit(request, pk)
    asset = get_object_or_404(dataset.assets, uid=uid)
    if request.method != "POST":
        context = {"dataset": dataset, "tab": "assets", "asset": asset, "annotations": asset.annotations.count()}
        return render(request, "datasets/delete_asset.html", context)
    removal.remove_assets(dataset, dataset.assets.filter(pk=asset.pk))
    messages.success(request, f"“{asset.filename}” was deleted.")
    return redirect("assets", pk=dataset.pk)
