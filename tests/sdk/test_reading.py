"""Looking around with the vendor's client: organizations, datasets, assets, annotations, and who may not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from vi.client.errors import ViAuthenticationError, ViNotFoundError, ViValidationError

from tests.sdk.conftest import Place

BCCD = "BCCD"


def test_the_organization_is_listed_and_told(place: Place) -> None:
    client = place.client()
    [[listed]] = [page.items for page in client.organizations.list()]
    assert client.organizations.get().organization_id == listed.organization_id == place.organization
    assert place.client(key=place.keys["ana_reads"]).organizations.get().name == listed.name


def test_every_dataset_is_found_page_by_page(place: Place) -> None:
    client = place.client()
    first = client.datasets.list(pagination={"page_size": 1})
    names = [dataset.name for page in first for dataset in page.items]
    assert set(place.datasets) <= set(names)
    assert len(names) == len(set(names))


@pytest.mark.parametrize("full", [False, True])
def test_a_dataset_is_found_by_either_of_its_ids(place: Place, full: bool) -> None:
    client = place.client()
    bare = place.datasets[BCCD]
    dataset = client.datasets.get(f"{place.organization}_{bare}" if full else bare)
    assert (dataset.name, dataset.dataset_id, dataset.type.value) == (BCCD, bare, "phrase-grounding")
    assert dataset.statistic.asset_total == 364


def test_assets_come_in_pages_by_hand_and_all_at_once_from_a_thousand(place: Place) -> None:
    client, dataset = place.client(), place.datasets[BCCD]
    seen: list[str] = []
    token: str | None = None
    while True:
        page = client.assets.list(
            dataset, pagination={"page_size": 150, "page_token": token} if token else {"page_size": 150}
        )
        seen += [asset.asset_id for asset in page.items]
        token = page.next_page
        if not token:
            break
    assert len(seen) == len(set(seen)) == 364
    everything = client.assets.list(dataset, pagination={"page_size": 1000})
    assert [asset.asset_id for asset in everything.items] == seen
    assert not everything.next_page


def test_assets_are_sorted_as_asked(place: Place) -> None:
    from vi.api.resources.datasets.assets.types import AssetSortCriterion, SortCriterion, SortOrder

    page = place.client().assets.list(
        place.datasets[BCCD],
        pagination={"page_size": 1000},
        sort_by=AssetSortCriterion(criterion=SortCriterion.FILENAME, order=SortOrder.DESC),
    )
    names = [asset.filename for asset in page.items]
    assert len(names) == 364
    assert names == sorted(names, reverse=True)


def test_assets_are_counted(place: Place) -> None:
    assert "364" in str(place.client().assets.count(place.datasets[BCCD]))


def test_one_asset_is_told_with_the_address_of_its_image_where_there_is_one(place: Place) -> None:
    client, dataset = place.client(), place.datasets["Workshop scenes"]
    [asset] = client.assets.list(dataset, pagination={"page_size": 1}).items
    found = client.assets.get(dataset, asset.asset_id, contents=True)
    assert found.filename == asset.filename
    assert found.contents.asset.url.startswith(place.portal.url)
    assert client.assets.get(dataset, asset.asset_id).contents is None


def test_images_are_downloaded_each_under_a_name_of_its_own(place: Place, tmp_path: Path) -> None:
    client, dataset = place.client(), place.datasets["Workshop scenes"]
    client.assets.download(dataset, save_dir=tmp_path)
    total = client.datasets.get(dataset).statistic.asset_total
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == total
    assert all(path.stat().st_size for path in files)


def test_a_record_is_a_caption_and_its_boxes(place: Place) -> None:
    client, dataset = place.client(), place.datasets[BCCD]
    [asset] = client.assets.list(dataset, pagination={"page_size": 1}).items
    parts = [
        part
        for page in client.annotations.list(dataset, asset.asset_id, pagination={"page_size": 3})
        for part in page.items
    ]
    captions = [part for part in parts if part.spec.contents.__class__.__name__.startswith("Caption")]
    boxes = [part for part in parts if part not in captions]
    assert captions
    assert boxes
    assert {box.spec.aggregation.whole.id for box in boxes} <= {each.annotation_id for each in captions}
    (left, top), (right, _), (_, bottom), last = boxes[0].spec.contents.bound
    assert 0 <= left < right <= 1
    assert 0 <= top < bottom <= 1
    assert tuple(last) == (left, bottom)
    again = client.annotations.get(dataset, asset.asset_id, boxes[-1].annotation_id)
    assert again.spec.contents == boxes[-1].spec.contents


def test_questions_are_shown_as_captions(place: Place) -> None:
    client, dataset = place.client(), place.datasets["BCCD questions"]
    [asset] = client.assets.list(dataset, pagination={"page_size": 1}).items
    [part, *_] = client.annotations.list(dataset, asset.asset_id).items
    assert part.spec.contents.contents.startswith("Q: ")


def test_a_wrong_key_opens_nothing(place: Place) -> None:
    with pytest.raises(ViAuthenticationError, match="not valid"):
        place.client(key="dtvi_" + "x" * 98).datasets.get(place.datasets[BCCD])


def test_a_page_token_of_nobody_is_refused(place: Place) -> None:
    with pytest.raises(ViValidationError, match="page token"):
        place.client().assets.list(place.datasets[BCCD], pagination={"page_token": "x!", "page_size": 10})


@pytest.mark.parametrize("as_its_own", [True, False])
def test_another_organizations_things_do_not_exist(place: Place, as_its_own: bool) -> None:
    chloe = place.client("chloe", organization=place.other if as_its_own else place.organization)
    dataset = place.datasets[BCCD]
    calls: list[Callable[[], object]] = [
        lambda: chloe.datasets.get(dataset),
        lambda: chloe.datasets.get(f"{place.organization}_{dataset}"),
        lambda: chloe.assets.list(dataset),
        lambda: chloe.datasets.create_export(dataset),
        lambda: chloe.datasets.list_exports(dataset),
        lambda: chloe.annotations.list(dataset, "x"),
    ]
    for call in calls:
        with pytest.raises(ViNotFoundError, match="There is no"):
            call()


def test_what_there_is_not_here_is_told_honestly(place: Place) -> None:
    with pytest.raises(ViNotFoundError, match="nothing at this address"):
        place.client().runs.get("nothing")
