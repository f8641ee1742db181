"""What the pages about jobs answer with: a dialog, the history as it is now, or a page with it."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any
from urllib.parse import urlencode, urlsplit

from django.http import HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.cache import get_conditional_response, patch_cache_control, patch_vary_headers
from django.utils.http import quote_etag
from django_htmx.http import HttpResponseClientRedirect, retarget, trigger_client_event

from datasets.filters import AssetFilter
from datasets.models import Dataset
from exports.history import history
from exports.row_pieces import piece
from vi_portal.accounts.models import Membership
from vi_portal.accounts.requests import SignedInRequest

DONE = "exports:done"
MAY_NOT_EXPORT = "You may look at this dataset, but not export it. Ask an owner of the organization to allow it."


def history_context(dataset: Dataset, membership: Membership, query: QueryDict, *, within: float = 0) -> dict[str, Any]:
    """What the history's templates need, of at most `within` seconds ago.

    `place` is the query that leads back to this very view of it.
    """
    carried = AssetFilter.parse(query)
    found = history(dataset, membership, page=query.get("page"), within=within)
    page = {"page": str(found.page.number)} if found.page.number > 1 else {}
    place = urlencode(carried.as_dict() | page)
    return {
        "dataset": dataset,
        "membership": membership,
        "may_not_export": MAY_NOT_EXPORT,
        "history": found,
        "has_annotations": found.moment.has_annotations,
        "carried": carried,
        "query": carried.as_query(),
        "place": place,
        "pieces": [piece(row, place=place) for row in found.rows],
    }


def piece_or_page(request: SignedInRequest, piece: str, context: dict[str, Any]) -> HttpResponse:
    """`piece` for htmx; without it, a page with the dialog in it."""
    if request.htmx:
        response = render(request, piece, context | {"modal": True})
    else:
        context |= {"dialog": piece.replace("_form", "_dialog"), "tab": "annotations"}
        response = render(request, "exports/dialog_page.html", context)
    patch_vary_headers(response, ["HX-Request"])
    return response


def unless_unchanged(request: SignedInRequest, response: HttpResponse) -> HttpResponseBase:
    """`response`, or only that it is still what the browser has."""
    patch_cache_control(response, private=True, no_cache=True)
    tag = quote_etag(blake2b(response.content, digest_size=16).hexdigest())
    response.headers["ETag"] = tag
    return get_conditional_response(request, etag=tag, response=response) or response


def changed(request: SignedInRequest, dataset: Dataset, membership: Membership) -> HttpResponse:
    """The history as it is now: swapped in by htmx where it is on the page, come back to otherwise."""
    context = history_context(dataset, membership, request.GET)
    here = reverse("annotations", args=[dataset.pk])
    back = f"{here}?{context['place']}" if context["place"] else here
    if not request.htmx:
        return redirect(back)
    if urlsplit(request.htmx.current_url or "").path != here:
        return HttpResponseClientRedirect(back)
    response = render(request, "exports/_changed_history.html", context)
    response.headers["HX-Reswap"] = "morph"
    return trigger_client_event(retarget(response, "#job-history"), DONE)
