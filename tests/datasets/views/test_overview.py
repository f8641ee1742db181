"""The overview of a dataset: its distribution, its latest texts, and what needs a look."""

from __future__ import annotations

from django.test import Client
from django.urls import reverse

from datasets.models import Dataset
from tests import cast
from tests.datasets.views.showing import names_on, text_of
from vi_portal.accounts.models import Organization


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
