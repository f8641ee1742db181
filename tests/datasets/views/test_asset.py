"""The page of one asset: its boxes, its texts, its neighbors."""

from __future__ import annotations

from typing import Any

from django.test import Client
from django.urls import reverse

from datasets.models import Dataset
from tests import cast
from tests.datasets.views.showing import queries_of, text_of
from vi_portal.accounts.models import Organization


def asset_page(client: Client, dataset: Dataset, uid: str, **query: str) -> Any:
    return client.get(reverse("asset", args=[dataset.pk, uid]), query)


def test_phrases_and_boxes_point_at_each_other(as_ana: Client, valves: Dataset) -> None:
    asset = cast.make_asset(valves, width=4000, height=3000)
    cast.make_annotation(asset, cast.grounding("A <b> & <red> valve", "<red> valve", (1234.5, 20, 2345, 1040)))
    page = text_of(asset_page(as_ana, valves, asset.uid))
    assert (
        '<p class="caption" dir="auto">A &lt;b&gt; &amp; '
        '<a class="phrase tone-0" id="phrase-1" href="#boxes-1" data-groups="1">&lt;red&gt; valve</a></p>'
    ) in page
    assert 'viewBox="0 0 4000 3000"' in page
    assert 'x="1234.5" y="20" width="1110.5" height="1020"' in page
    assert 'aria-label="&lt;red&gt; valve, 1 box"' in page


def test_a_box_without_area_is_named(as_ana: Client, valves: Dataset) -> None:
    asset = cast.make_asset(valves)
    cast.make_annotation(asset, cast.grounding("A valve", "valve", (5, 5, 5, 9), (1, 1, 9, 9)))
    page = text_of(asset_page(as_ana, valves, asset.uid))
    assert "The box (5, 5, 5, 9) has no area" in page
    assert "1 box<" in page


def test_questions_are_shown_in_their_order(as_ana: Client, acme: Organization) -> None:
    dataset = cast.make_dataset(acme, type="vqa")
    asset = cast.make_asset(dataset)
    cast.make_annotation(asset, cast.qa(("Is <it> open?", "No"), ("Why?", "Rust & dirt")))
    page = text_of(asset_page(as_ana, dataset, asset.uid))
    assert page.index("Is &lt;it&gt; open?") < page.index("Why?") < page.index("Rust &amp; dirt")


def test_neighbors_are_those_of_the_filter(as_ana: Client, valves: Dataset) -> None:
    first = cast.make_annotated(valves, 1)[0]
    cast.make_asset(valves, "bare.jpg")
    last = cast.make_annotated(valves, 1, start=1)[0]
    everything = asset_page(as_ana, valves, first.uid).context
    assert everything["next"].filename == "bare.jpg"
    assert everything["previous"] is None
    annotated = asset_page(as_ana, valves, first.uid, annotated="yes")
    assert annotated.context["next"] == last
    assert f"{last.get_absolute_url()}?annotated=yes" in text_of(annotated)
    assert "1 of 2" in text_of(annotated)


def test_an_asset_without_an_image_still_shows_its_boxes(as_ana: Client, valves: Dataset) -> None:
    asset = cast.make_annotated(valves, 1)[0]
    page = text_of(asset_page(as_ana, valves, asset.uid))
    assert "The image is not here" in page
    assert 'x="100" y="200" width="200" height="200"' in page


def test_contents_that_cannot_be_read_break_no_page(as_ana: Client, valves: Dataset) -> None:
    asset = cast.make_asset(valves)
    annotation = cast.make_annotation(asset)
    type(annotation).objects.update(contents='{"type":"Unheard"}')
    assert "The contents are not valid" in text_of(asset_page(as_ana, valves, asset.uid))
    assert "line_07.jpg" in text_of(as_ana.get(reverse("assets", args=[valves.pk])))


def test_the_page_of_an_asset_asks_as_often_for_one_annotation_as_for_many(as_ana: Client, valves: Dataset) -> None:
    asset = cast.make_annotated(valves, 1)[0]
    few = queries_of(as_ana, asset.get_absolute_url())
    for _ in range(10):
        cast.make_annotation(asset)
    assert queries_of(as_ana, asset.get_absolute_url()) == few
