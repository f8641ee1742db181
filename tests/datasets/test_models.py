"""Datasets, assets and annotations as rows: names in archives, constraints, and what the mutators keep true."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from datasets.contents import ContentsError
from datasets.models import (
    Annotation,
    Asset,
    Dataset,
    ImageFacts,
    NewAnnotation,
    NewAsset,
    WrongContentsType,
)
from tests import cast
from vi_portal.accounts.models import Organization, User

FACTS = ImageFacts(width=1000, height=800)


def test_every_asset_gets_a_member_name_of_its_own(valves: Dataset) -> None:
    names = ["a.jpg", "A.JPG", "a.jpg", "../a.jpg", "C:\\a.jpg", "e\u0301.jpg", "é.jpg", "CON.jpg", "x" * 300 + ".jpg"]
    assets = valves.add_assets([NewAsset(name, FACTS) for name in names])
    again = valves.add_assets([NewAsset(name, FACTS) for name in names])
    members = [asset.member_name for asset in [*assets, *again]]
    assert [asset.filename for asset in assets] == names
    assert len({member.casefold() for member in members}) == 2 * len(names)
    assert not any(set(member) & set("/\\:") for member in members)
    assert members[0] == "a.jpg"
    assert members[1] == f"A~{assets[1].uid.replace('-', '')[:8]}.JPG"


def test_ids_that_begin_alike_and_names_like_marked_ones_clash_with_nothing(valves: Dataset) -> None:
    valves.add_assets([NewAsset("scan~asset000.jpg", FACTS)])
    for numbers in ((1, 2), (3, 4)):
        valves.add_assets([NewAsset("scan.jpg", FACTS, uid=f"asset-000{number}") for number in numbers])
    members = list(valves.assets.order_by("pk").values_list("member_name", flat=True))
    assert len({member.casefold() for member in members}) == len(members) == 5
    assert all(re.fullmatch(r"scan(~\w+)?\.jpg", member) for member in members)


def test_member_names_are_only_distinct_within_a_dataset(valves: Dataset) -> None:
    other = cast.make_dataset(name="Pumps")
    members = [cast.make_asset(dataset, "a.jpg").member_name for dataset in (valves, other)]
    assert members == ["a.jpg", "a.jpg"]


def test_rows_come_in_the_order_they_were_given(valves: Dataset) -> None:
    assets = valves.add_assets([NewAsset(f"{number}.jpg", FACTS) for number in (3, 1, 2)])
    valves.add_annotations(NewAnnotation(asset, cast.grounding(), str(n)) for n, asset in enumerate(assets))
    assert [asset.filename for asset in valves.assets.order_by("pk")] == ["3.jpg", "1.jpg", "2.jpg"]
    assert [row.uid for row in Annotation.objects.order_by("pk")] == ["0", "1", "2"]


def test_an_annotation_is_stored_in_both_units(valves: Dataset) -> None:
    row = cast.make_annotation(cast.make_asset(valves), category="leak")
    row.refresh_from_db()
    assert row.parsed == cast.grounding()
    assert '"bounds":[[0.1,0.25,0.3,0.5]]' in str(row.contents_normalized)
    assert (row.labels, row.flawed, row.category) == ('{"red valve":1}', False, "leak")


def test_annotations_of_another_type_are_refused(valves: Dataset) -> None:
    asset = cast.make_asset(valves)
    good = NewAnnotation(asset, cast.grounding())
    with pytest.raises(WrongContentsType, match="This is a Vqa annotation; the dataset “Valves” holds PhraseGrounding"):
        valves.add_annotations([good, NewAnnotation(asset, cast.qa())])
    with pytest.raises(ContentsError):
        valves.add_annotations([good, NewAnnotation(asset, cast.grounding("a", "a", (0, 0, 1, float("nan"))))])
    assert not Annotation.objects.exists()


def test_every_change_moves_the_revision(valves: Dataset) -> None:
    revisions = [valves.revision]
    asset = cast.make_asset(valves)
    revisions.append(valves.revision)
    cast.make_annotation(asset)
    revisions.append(asset.dataset.revision)
    assert revisions == sorted(set(revisions))
    assert Dataset.objects.get().revision == revisions[-1]


def test_annotated_and_unannotated_are_told_apart(valves: Dataset) -> None:
    annotated, bare = cast.make_asset(valves, "a.jpg"), cast.make_asset(valves, "b.jpg")
    cast.make_annotation(annotated), cast.make_annotation(annotated)
    assert list(valves.assets.all().annotated()) == [annotated]
    assert list(valves.assets.all().unannotated()) == [bare]


def test_users_see_the_datasets_of_their_organizations(valves: Dataset, ana: User, ben: User, chloe: User) -> None:
    pumps = cast.make_dataset(Organization.objects.get(name="Borealis"), name="Pumps")
    assert list(Dataset.objects.visible_to(ana)) == list(Dataset.objects.visible_to(ben)) == [valves]
    assert list(Dataset.objects.visible_to(chloe)) == [pumps]


def test_the_image_is_the_uploaded_bytes(valves: Dataset) -> None:
    content = cast.jpeg()
    with cast.make_asset(valves, image=content).open_image() as file:
        assert file.read() == content
    with pytest.raises(OSError, match=r"No image was uploaded for b\.jpg"):
        cast.make_asset(valves, "b.jpg").open_image()
    with pytest.raises(FileNotFoundError):
        cast.make_asset(valves, "c.jpg", file="gone.jpg").open_image()


def test_a_dataset_takes_its_assets_and_annotations_along(valves: Dataset) -> None:
    cast.make_annotated(valves, 3)
    valves.delete()
    assert not Asset.objects.exists()
    assert not Annotation.objects.exists()


@pytest.mark.parametrize(
    "change",
    [{"name": ""}, {"type": "boxes"}, {"name": "Valves"}],
)
def test_the_database_refuses_datasets_that_make_no_sense(valves: Dataset, change: dict[str, str]) -> None:
    fields = {"name": "Pumps", "type": "vqa"} | change
    with pytest.raises(IntegrityError), transaction.atomic():
        Dataset.objects.create(organization=valves.organization, **fields)


@pytest.mark.parametrize("change", [{"width": 0}, {"height": 0}, {"filename": ""}, {"uid": "one"}, {"member_key": "a"}])
def test_the_database_refuses_assets_that_make_no_sense(valves: Dataset, change: dict[str, Any]) -> None:
    fields = {"filename": "b", "member_name": "b", "member_key": "b", "width": 1, "height": 1, "uid": "two"}
    Asset.objects.create(dataset=valves, **(fields | {"member_key": "a", "uid": "one"}))
    with pytest.raises(IntegrityError), transaction.atomic():
        Asset.objects.create(dataset=valves, **(fields | change))


def test_the_database_refuses_annotations_that_make_no_sense(valves: Dataset) -> None:
    asset = cast.make_asset(valves)
    row = cast.make_annotation(asset, uid="one")
    with pytest.raises(IntegrityError), transaction.atomic():
        cast.make_annotation(asset, uid="one")
    with pytest.raises(Exception, match=r"(?i)json"), transaction.atomic():
        Annotation.objects.filter(pk=row.pk).update(contents="{not json")
