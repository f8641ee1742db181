"""Every page of a dataset: who may see it, and what none of them does."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from datasets.models import Dataset
from tests import cast
from tests.datasets.views.showing import text_of

HOSTILE = "<script>alert('x')</script> \"a\" & b.jpg"


def pages_of(dataset: Dataset) -> list[str]:
    asset = dataset.assets.get()
    return [
        reverse("dataset", args=[dataset.pk]),
        reverse("assets", args=[dataset.pk]),
        reverse("asset", args=[dataset.pk, asset.uid]),
        reverse("image", args=[dataset.pk, asset.uid]),
        reverse("thumbnail", args=[dataset.pk, asset.uid]),
    ]


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


def test_hostile_names_stay_text(as_ana: Client, valves: Dataset) -> None:
    asset = cast.make_asset(valves, HOSTILE, image=cast.jpeg())
    Dataset.objects.filter(pk=valves.pk).update(name=HOSTILE, description=HOSTILE)
    for url in ["/", *pages_of(valves)[:3]]:
        page = text_of(as_ana.get(url))
        assert "<script>alert" not in page
        assert "&lt;script&gt;alert" in page
    assert asset.member_name != HOSTILE


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
