"""The pages of a dataset: the explorer, its overview, the grid of its assets, and one asset."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db.models import Max, OuterRef, Q, QuerySet, Subquery
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_safe

from datasets import statistics
from datasets.filters import AssetFilter
from datasets.models import Asset, Dataset, DatasetType
from datasets.templatetags.portal import ORGANIZATION_KEY
from datasets.views.access import dataset_to_see, may_edit, membership_in
from datasets.views.sheet import latest_texts, pairs_of, sheet_of
from datasets.views.tiles import tiles
from vi_portal.accounts.models import Organization
from vi_portal.accounts.requests import SignedInRequest
from vi_portal.jobs.models import State

PAGE_SIZE = 48
COVER_SIZE = 4
PREVIEW_SIZE = 8
TEXTS_SIZE = 5


@require_safe
def explorer(request: SignedInRequest) -> HttpResponse:
    """The datasets of one organization: the one asked for, else the one last looked at, else the first."""
    organization = _organization_for(request)
    datasets = list(_with_covers(organization)) if organization else []
    counts = statistics.counts_of(datasets)
    covers = Asset.objects.in_bulk({pk for dataset in datasets for pk in _cover_keys(dataset)})
    cards = [
        {
            "dataset": dataset,
            "counts": counts[dataset.pk],
            "cover": [covers[pk] for pk in _cover_keys(dataset) if pk in covers and covers[pk].file],
        }
        for dataset in datasets
    ]
    return render(request, "datasets/explorer.html", {"organization": organization, "cards": cards})


@require_safe
def overview(request: SignedInRequest, pk: UUID) -> HttpResponse:
    """What the dataset amounts to."""
    dataset = dataset_to_see(request, pk)
    context = {
        "dataset": dataset,
        "tab": "overview",
        "may_edit": may_edit(request, dataset),
        "counts": statistics.counts_of([dataset])[dataset.pk],
        "labels": statistics.labels_of(dataset),
        "categories": statistics.categories_of(dataset),
        "images": statistics.images_of(dataset),
        "attributes": pairs_of(dataset.attributes),
        "preview": dataset.assets.order_by("pk")[:PREVIEW_SIZE],
        "texts": latest_texts(dataset, count=TEXTS_SIZE) if dataset.type == DatasetType.FREEFORM else [],
    }
    return render(request, "datasets/overview.html", context)


@require_safe
def assets(request: SignedInRequest, pk: UUID) -> HttpResponse:
    """The assets that pass the filter, as a grid of tiles; to htmx, only what a filter changes."""
    dataset = dataset_to_see(request, pk)
    membership = membership_in(request, dataset)
    chosen = AssetFilter.parse(request.GET)
    counts = statistics.counts_of([dataset])[dataset.pk]
    paginator = Paginator(chosen.apply(dataset.assets.order_by("pk")), PAGE_SIZE)
    if not chosen:
        paginator.count = counts.assets
    page = paginator.get_page(request.GET.get("page"))
    ranked = [label.text for label in statistics.labels_of(dataset).top]
    context = {
        "dataset": dataset,
        "tab": "assets",
        "may_edit": membership.may_edit,
        "may_export": membership.may_export,
        "counts": counts,
        "filter": chosen,
        "page": page,
        "tiles": tiles(list(page), kind=dataset.type, ranked=ranked),
    }
    partial = request.htmx and not request.htmx.history_restore_request
    response = render(request, "datasets/_assets_found.html" if partial else "datasets/assets.html", context)
    patch_vary_headers(response, ["HX-Request"])
    return response


@require_safe
def asset(request: SignedInRequest, pk: UUID, uid: str) -> HttpResponse:
    """One asset with its annotations, between its neighbors in the filter."""
    dataset = dataset_to_see(request, pk)
    asset = get_object_or_404(dataset.assets, uid=uid)
    chosen = AssetFilter.parse(request.GET)
    passing = chosen.apply(dataset.assets.all())
    ranked = [label.text for label in statistics.labels_of(dataset).top]
    context = {
        "dataset": dataset,
        "tab": "assets",
        "may_edit": may_edit(request, dataset),
        "asset": asset,
        "sheet": sheet_of(asset, ranked=ranked),
        "metadata": pairs_of(asset.custom_metadata),
        "filter": chosen,
        "previous": passing.filter(pk__lt=asset.pk).order_by("-pk").first(),
        "next": passing.filter(pk__gt=asset.pk).order_by("pk").first(),
        "passes": passing.filter(pk=asset.pk).exists(),
        "position": passing.filter(pk__lte=asset.pk).count(),
        "total": passing.count(),
    }
    return render(request, "datasets/asset.html", context)


def _organization_for(request: SignedInRequest) -> Organization | None:
    mine = Organization.objects.of(request.user)
    if asked := request.GET.get("organization"):
        try:
            organization = get_object_or_404(mine, pk=asked)
        except ValidationError as error:
            raise Http404(f"“{asked}” is not the id of an organization.") from error
        request.session[ORGANIZATION_KEY] = str(organization.pk)
        return organization
    remembered = request.session.get(ORGANIZATION_KEY)
    return (mine.filter(pk=remembered).first() if remembered else None) or mine.first()


def _with_covers(organization: Organization) -> QuerySet[Any]:
    """The datasets of `organization` by name, with the keys of their first assets and the last export's moment."""
    first = Asset.objects.filter(dataset=OuterRef("pk")).order_by("pk").values("pk")
    covers = {f"cover_{n}": Subquery(first[n : n + 1]) for n in range(COVER_SIZE)}
    finished = Q(exports__state=State.FINISHED)
    return organization.datasets.annotate(last_export=Max("exports__finished_at", filter=finished), **covers).order_by(
        "name", "pk"
    )


def _cover_keys(dataset: Dataset) -> list[Any]:
    keys = [getattr(dataset, f"cover_{n}") for n in range(COVER_SIZE)]
    return [key for key in keys if key is not None]
