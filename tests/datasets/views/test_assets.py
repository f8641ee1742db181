"""The grid of assets: filtered, in pages that hold still, and quick."""

from __future__ import annotations

from django.core.paginator import Paginator
from django.template import Context, Template
from django.test import Client
from django.urls import reverse

from datasets.models import Dataset
from tests import cast
from tests.datasets.views.showing import names_on, queries_of, text_of


def test_assets_are_filtered_by_name_and_by_annotation(as_ana: Client, valves: Dataset) -> None:
    cast.make_annotated(valves, 2)
    cast.make_asset(valves, "Image_bare.jpg")
    url = reverse("assets", args=[valves.pk])
    assert names_on(as_ana.get(url, {"search": "IMAGE_0001"})) == ["image_0001.jpg"]
    assert names_on(as_ana.get(url, {"annotated": "no"})) == ["Image_bare.jpg"]
    assert names_on(as_ana.get(url, {"annotated": "yes"})) == ["image_0000.jpg", "image_0001.jpg"]
    assert names_on(as_ana.get(url, {"annotated": "rubbish", "page": "rubbish"})) == [
        "image_0000.jpg",
        "image_0001.jpg",
        "Image_bare.jpg",
    ]


def test_the_filter_goes_along_to_the_export_and_to_other_pages(as_ana: Client, valves: Dataset) -> None:
    cast.make_annotated(valves, 50)
    page = text_of(as_ana.get(reverse("assets", args=[valves.pk]), {"search": "image", "label": "red valve"}))
    assert f'{reverse("annotations", args=[valves.pk])}?search=image&amp;label=red+valve"' in page
    assert '"?search=image&amp;label=red+valve&amp;page=2"' in page
    assert '"?search=image"' in page  # removes the label


def test_only_who_may_export_is_led_to_it(as_ana: Client, as_ben: Client, valves: Dataset) -> None:
    cast.make_annotated(valves, 2)
    url = reverse("assets", args=[valves.pk])
    assert "Export all" in text_of(as_ana.get(url))
    assert "Export all" not in text_of(as_ben.get(url))


def test_pages_hold_48_assets_in_a_stable_order(as_ana: Client, valves: Dataset) -> None:
    cast.make_annotated(valves, 100)
    url = reverse("assets", args=[valves.pk])
    pages = [names_on(as_ana.get(url, {"page": number})) for number in (1, 2, 3)]
    assert [len(page) for page in pages] == [48, 48, 4]
    assert pages[0] + pages[1] + pages[2] == [f"image_{n:04}.jpg" for n in range(100)]
    assert names_on(as_ana.get(url, {"page": 99})) == pages[2]


def test_page_numbers_beyond_999_are_links_that_work() -> None:
    page = Paginator(range(100_000), 48).page(1200)
    html = Template("{% load portal %}{% pagination page 'search=a' %}").render(Context({"page": page}))
    assert 'href="?search=a&amp;page=1201"' in html
    assert 'href="?search=a&amp;page=2084"' in html


def test_pages_of_a_list_far_down_lead_to_the_list() -> None:
    page = Paginator(range(100), 48).page(2)
    html = Template("{% load portal %}{% pagination page '' 'list' %}").render(Context({"page": page}))
    assert all(f'href="?page={number}#list"' in html for number in (1, 3))


def test_a_live_search_brings_only_what_changes(as_ana: Client, valves: Dataset) -> None:
    cast.make_annotated(valves, 2)
    url = reverse("assets", args=[valves.pk])
    response = as_ana.get(url, {"search": "0001"}, headers={"HX-Request": "true"})
    partial = text_of(response)
    assert "<html" not in partial
    assert "image_0001.jpg" in partial
    assert "image_0000.jpg" not in partial
    assert 'id="asset-count" hx-swap-oob="true"' in partial
    assert "HX-Request" in response["Vary"]


def test_a_search_without_success_says_so(as_ana: Client, valves: Dataset) -> None:
    cast.make_annotated(valves, 1)
    page = text_of(as_ana.get(reverse("assets", args=[valves.pk]), {"search": "<b>"}))
    assert "No asset passes the filter" in page
    assert "<b>”" not in page


def test_the_grid_asks_as_often_for_one_asset_as_for_many(as_ana: Client, valves: Dataset) -> None:
    url = reverse("assets", args=[valves.pk])
    cast.make_annotated(valves, 1)
    few = queries_of(as_ana, url)
    cast.make_annotated(valves, 60, start=1)
    assert queries_of(as_ana, url) == few


def test_tiles_draw_the_boxes(as_ana: Client, valves: Dataset) -> None:
    asset = cast.make_asset(valves)
    cast.make_annotation(asset, cast.grounding("A valve", "valve", (100.5, 200, 1000, 400), (7, 7, 7, 9)))
    page = text_of(as_ana.get(reverse("assets", args=[valves.pk])))
    assert 'x="100.5" y="200" width="899.5" height="200"' in page
    assert 'x="7"' not in page
    assert "2 boxes" in page
