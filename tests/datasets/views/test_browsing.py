"""The pages of a dataset: who may see them, what they show, and that they stay quick."""

from __future__ import annotations

import shlex
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.core.paginator import Paginator
from django.db import connection
from django.template import Context, Template
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from datasets.models import Dataset
from exports.models import ExportJob
from exports.spec import ExportSpec
from tests import cast
from vi_portal.accounts.models import Membership, Organization, User

HOSTILE = "<script>alert('x')</script> \"a\" & b.jpg"


def text_of(response: Any) -> str:
    assert response.status_code == 200
    return str(response.content.decode())


def names_on(response: Any) -> list[str]:
    return [tile.asset.filename for tile in response.context["tiles"]]


def queries_of(client: Client, url: str) -> int:
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert client.get(url).status_code == 200
    return len(captured)


def pages_of(dataset: Dataset) -> list[str]:
    asset = dataset.assets.get()
    return [
        reverse("dataset", args=[dataset.pk]),
        reverse("assets", args=[dataset.pk]),
        reverse("asset", args=[dataset.pk, asset.uid]),
        reverse("image", args=[dataset.pk, asset.uid]),
        reverse("thumbnail", args=[dataset.pk, asset.uid]),
    ]


# Who may see what


def test_a_viewer_sees_every_page_of_the_organization(as_ben: Client, valves: Dataset) -> None:
    cast.make_annotation(cast.make_asset(valves, image=cast.jpeg()))
    assert [as_ben.get(url).status_code for url in pages_of(valves)] == [200] * 5


def test_a_user_of_another_organization_finds_nothing(as_chloe: Client, valves: Dataset) -> None:
    cast.make_annotation(cast.make_asset(valves, image=cast.jpeg()))
    assert [as_chloe.get(url).status_code for url in pages_of(valves)] == [404] * 5


def test_nobody_signed_in_is_sent_to_the_sign_in(client: Client, valves: Dataset) -> None:
    cast.make_asset(valves, image=cast.jpeg())
    for url in [reverse("explorer"), *pages_of(valves)]:
        assert client.get(url)["Location"] == f"{reverse('sign-in')}?next={url}"


def test_an_asset_is_found_only_in_its_own_dataset(as_ana: Client, valves: Dataset) -> None:
    asset = cast.make_asset(valves, image=cast.jpeg())
    other = cast.make_dataset(valves.organization, name="Pumps")
    for name in ("asset", "image", "thumbnail"):
        assert as_ana.get(reverse(name, args=[other.pk, asset.uid])).status_code == 404


# Explorer


def test_the_explorer_shows_what_each_dataset_amounts_to(as_ana: Client, valves: Dataset) -> None:
    cast.make_annotated(valves, 3)
    cast.make_asset(valves, "bare.jpg")
    [card] = as_ana.get("/").context["cards"]
    assert (card["counts"].assets, card["counts"].annotations, card["counts"].percent) == (4, 3, 75)
    page = text_of(as_ana.get("/"))
    assert "Valves" in page
    assert "75% annotated" in page
    assert "Never exported" in page


def test_the_explorer_tells_when_a_dataset_was_last_exported(as_ana: Client, ana: User, valves: Dataset) -> None:
    failed = ExportJob.of(ExportSpec(), dataset=valves, user=ana)
    ExportJob.objects.filter(pk=failed.pk).update(state="failed", finished_at=timezone.now())
    assert "Never exported" in text_of(as_ana.get("/"))
    done = ExportJob.of(ExportSpec(), dataset=valves, user=ana)
    moment = timezone.now() - timedelta(hours=3)
    ExportJob.objects.filter(pk=done.pk).update(state="finished", percent=100, finished_at=moment)
    assert "3 hours ago" in unescape(text_of(as_ana.get("/"))).replace("\xa0", " ")


def test_the_organization_chosen_is_remembered(as_ana: Client, ana: User, valves: Dataset) -> None:
    other = cast.make_organization("Zephyr")
    Membership.objects.create(organization=other, user=ana)
    cast.make_dataset(other, name="Sails")
    assert "Valves" in text_of(as_ana.get("/"))
    assert "Sails" in text_of(as_ana.get(f"/?organization={other.pk}"))
    again = text_of(as_ana.get("/"))
    assert "Sails" in again
    assert "Valves" not in again


def test_organizations_of_others_are_not_there(as_ana: Client, chloe: User) -> None:
    borealis = Organization.objects.get(name="Borealis")
    assert as_ana.get(f"/?organization={borealis.pk}").status_code == 404
    assert as_ana.get("/?organization=nonsense").status_code == 404


def test_a_membership_that_ended_is_forgotten(as_ana: Client, ana: User, valves: Dataset) -> None:
    other = cast.make_organization("Zephyr")
    membership = Membership.objects.create(organization=other, user=ana)
    as_ana.get(f"/?organization={other.pk}")
    membership.delete()
    assert "Valves" in text_of(as_ana.get("/"))


def test_empty_places_say_what_to_do(as_ana: Client, acme: Organization, db: None) -> None:
    empty = text_of(as_ana.get("/"))
    assert "manage.py import_dataset --organization Acme " in empty
    lonely = Client()
    lonely.force_login(cast.make_user("dora"), backend="django.contrib.auth.backends.ModelBackend")
    assert "You belong to no organization yet" in text_of(lonely.get("/"))


def test_a_command_to_copy_runs_nothing_that_is_in_a_name(as_ana: Client, acme: Organization) -> None:
    dataset = cast.make_dataset(acme, name="Valves'; rm -rf ~ #")
    page = unescape(text_of(as_ana.get(reverse("dataset", args=[dataset.pk]))))
    command = page[page.index("python manage.py import_dataset") : page.index("</pre>")]
    assert "Valves'; rm -rf ~ #" in shlex.split(command)


def test_the_explorer_asks_as_often_for_one_dataset_as_for_many(as_ana: Client, acme: Organization) -> None:
    def grow(name: str) -> None:
        cast.make_annotated(cast.make_dataset(acme, name=name), 2)

    grow("One")
    few = queries_of(as_ana, "/")
    for number in range(6):
        grow(f"Another {number}")
    assert queries_of(as_ana, "/") == few


# Overview


def test_the_overview_draws_the_distribution(as_ana: Client, valves: Dataset) -> None:
    asset = cast.make_asset(valves)
    cast.make_annotation(asset, cast.grounding("A pump & a valve", "valve", (0, 0, 10, 10), (5, 5, 20, 20)))
    cast.make_annotation(asset, cast.grounding("A pump & a valve", "pump & a"))
    page = text_of(as_ana.get(reverse("dataset", args=[valves.pk])))
    assert f'{reverse("assets", args=[valves.pk])}?label=pump%20%26%20a"' in page
    assert '<rect width="100.00%"' in page
    assert '<rect width="50.00%"' in page


def test_the_overview_counts_categories_where_there_are_any(as_ana: Client, valves: Dataset) -> None:
    asset, address = cast.make_asset(valves), reverse("dataset", args=[valves.pk])
    cast.make_annotation(asset)
    assert 'id="categories"' not in text_of(as_ana.get(address))
    cast.make_annotation(asset, category="Spatial relations")
    page = text_of(as_ana.get(address))
    assert ">Spatial relations</span>" in page
    assert "1 annotation without a category" in page


def test_a_label_of_the_overview_leads_to_its_assets(as_ana: Client, valves: Dataset) -> None:
    one, other = cast.make_asset(valves, "one.jpg"), cast.make_asset(valves, "other.jpg")
    cast.make_annotation(one, cast.grounding('A "big" valve', '"big" valve'))
    cast.make_annotation(other, cast.grounding("A valve", "valve"))
    found = as_ana.get(reverse("assets", args=[valves.pk]), {"label": '"big" valve'})
    assert names_on(found) == ["one.jpg"]


def test_freeform_datasets_show_their_latest_texts(as_ana: Client, acme: Organization) -> None:
    dataset = cast.make_dataset(acme, name="Notes", type="freeform")
    cast.make_annotation(cast.make_asset(dataset), cast.freeform("The glass is <b>broken</b>."))
    page = text_of(as_ana.get(reverse("dataset", args=[dataset.pk])))
    assert "The glass is &lt;b&gt;broken&lt;/b&gt;." in page


def test_the_overview_names_what_needs_a_look(as_ana: Client, valves: Dataset) -> None:
    asset = cast.make_asset(valves, flaw="The file ends too early.")
    cast.make_annotation(asset, cast.grounding("A valve", "valve", (5, 5, 5, 9)))
    page = text_of(as_ana.get(reverse("dataset", args=[valves.pk])))
    for remark in ("asset without an image", "that cannot be decoded", "boxes that reach outside the image"):
        assert remark in page


# Assets


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


def test_hostile_names_stay_text(as_ana: Client, valves: Dataset) -> None:
    asset = cast.make_asset(valves, HOSTILE, image=cast.jpeg())
    Dataset.objects.filter(pk=valves.pk).update(name=HOSTILE, description=HOSTILE)
    for url in ["/", *pages_of(valves)[:3]]:
        page = text_of(as_ana.get(url))
        assert "<script>alert" not in page
        assert "&lt;script&gt;alert" in page
    assert asset.member_name != HOSTILE


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


# One asset


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


@pytest.mark.parametrize("page", ["/", "/datasets/nothing", "/sign-in/"])
def test_pages_carry_no_inline_style_or_script(as_ana: Client, valves: Dataset, page: str) -> None:
    html = as_ana.get(page, follow=True).content.decode()
    for forbidden in (" style=", "<style", " onclick=", "<script>"):
        assert forbidden not in html


@pytest.mark.parametrize("page", ["", "image", "thumbnail"])
def test_an_id_that_no_database_would_look_for_is_not_there(as_ana: Client, valves: Dataset, page: str) -> None:
    url = f"/datasets/{valves.pk}/assets/a%00b/{page}"
    with CaptureQueriesContext(connection) as captured:
        assert as_ana.get(url).status_code == 404
    assert not [query for query in captured if "datasets_asset" in query["sql"]]
