"""Pieces that every page of the portal is made of: the sidebar's content, and lines between numbers and words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django import template
from django.core.paginator import Page

from datasets.filters import AssetFilter

register = template.Library()

#: Where the session remembers the organization last looked at.
ORGANIZATION_KEY = "organization"

SIDEBAR_DATASETS = 12


@register.inclusion_tag("components/_navigation.html", takes_context=True)
def navigation(context: dict[str, Any]) -> dict[str, Any]:
    """Where one is, where one may go, and who one is. Two queries."""
    request = context["request"]
    dataset = context.get("dataset")
    memberships = list(request.user.memberships.select_related("organization").order_by("organization__name", "pk"))
    chosen = str(dataset.organization_id if dataset else request.session.get(ORGANIZATION_KEY, ""))
    membership = next((each for each in memberships if str(each.organization_id) == chosen), None)
    if membership is None and memberships:
        membership = memberships[0]
    datasets = membership.organization.datasets.order_by("-updated_at", "pk") if membership else []
    return {
        "user": request.user,
        "csrf_token": context.get("csrf_token"),
        "memberships": memberships,
        "membership": membership,
        "datasets": datasets[:SIDEBAR_DATASETS],
        "dataset": dataset,
        "at_explorer": request.resolver_match is not None and request.resolver_match.url_name == "explorer",
    }


@register.inclusion_tag("components/_pagination.html")
def pagination(page: Page[Any], query: str = "") -> dict[str, Any]:
    """Links to the pages around `page`; `query` holds the other parameters, encoded."""
    numbers = page.paginator.get_elided_page_range(page.number, on_each_side=2, on_ends=1)
    return {
        "page": page,
        "prefix": f"?{query}&page=" if query else "?page=",
        "numbers": numbers,
        "ellipsis": page.paginator.ELLIPSIS,
    }


@register.simple_tag
def filter_link(current: AssetFilter, **changes: str) -> str:
    """The address of the same page with the filter changed."""
    query = replace(current, **changes).as_query()
    return f"?{query}" if query else "?"
