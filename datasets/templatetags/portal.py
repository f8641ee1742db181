"""Pieces that every page of the portal is made of: the sidebar's content, and lines between numbers and words."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import Any

from django import template
from django.core.paginator import Page
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString, mark_safe

from datasets.drawing import Caption, Segment
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
    place = request.resolver_match.url_name if request.resolver_match else None
    datasets = membership.organization.datasets.order_by("-updated_at", "pk") if membership else []
    return {
        "user": request.user,
        "csrf_token": context.get("csrf_token"),
        "memberships": memberships,
        "membership": membership,
        "datasets": datasets[:SIDEBAR_DATASETS],
        "dataset": dataset,
        "at_explorer": place == "explorer",
        "at_queue": place == "queue",
        "at_keys": place in ("secret-keys", "revoke-key"),
    }


@register.filter
def shell_quoted(value: object) -> str:
    """One word for a shell, whatever is in it: for commands that are copied from a page."""
    return shlex.quote(str(value))


@register.inclusion_tag("components/_pagination.html")
def pagination(page: Page[Any], query: str = "", place: str = "") -> dict[str, Any]:
    """Links to the pages around `page`; `query` holds the other parameters, encoded. `place` is the id of what to show
    at the top, where that is not the head of the page."""
    numbers = page.paginator.get_elided_page_range(page.number, on_each_side=2, on_ends=1)
    return {
        "page": page,
        "prefix": f"?{query}&page=" if query else "?page=",
        "suffix": f"#{place}" if place else "",
        "numbers": numbers,
        "ellipsis": page.paginator.ELLIPSIS,
    }


@register.simple_tag
def filter_link(current: AssetFilter, **changes: str) -> str:
    """The address of the same page with the filter changed."""
    query = replace(current, **changes).as_query()
    return f"?{query}" if query else "?"


@register.simple_tag
def marked(caption: Caption) -> SafeString:
    """The caption with a link to its boxes on every phrase. Not a template: its white space is the caption's own."""
    return mark_safe("".join(map(_marked, caption.segments)))  # noqa: S308 - each piece is escaped


def _marked(segment: Segment) -> str:
    if (group := segment.group) is None:
        return conditional_escape(segment.text)
    return format_html(
        '<a class="phrase tone-{}" {}href="#boxes-{}" data-groups="{}">{}</a>',
        group.tone,
        format_html('id="phrase-{}" ', group.number) if segment.first else "",
        group.number,
        segment.numbers,
        segment.text,
    )
