"""What the database puts together is what Python would."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pytest

from datasets.contents import Freeform
from datasets.models import Annotation, Asset, Dataset
from exports.sources import assembly
from tests import cast

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "snapshot"])

TROUBLE = ['"', "\\", "tab\there", "line\nbreak", "\x01\x1f", "ünï 赤い 🔧", "", "100%s {x} ' ;"]


class Said(NamedTuple):
    annotations: bytes | None
    labels: str


def assemble(*assets: Asset, normalized: bool = False, opening: str = '{"type":"') -> dict[int, Said]:
    ids = [asset.pk for asset in assets]
    return {row[0]: Said(*row[1:]) for row in assembly.assemble(ids, ["id"], normalized=normalized, opening=opening)}


def assembled(asset: Asset, *, normalized: bool = False) -> Said:
    return assemble(asset, normalized=normalized)[asset.pk]


def test_every_text_comes_out_as_json_reads_it(valves: Dataset) -> None:
    asset = cast.make_asset(valves, "a.jpg")
    made = [cast.make_annotation(asset, category=text or None) for text in TROUBLE]
    for annotation, text in zip(made, TROUBLE, strict=True):
        Annotation.objects.filter(pk=annotation.pk).update(uid=f"id {text}")
    annotations = assembled(asset).annotations
    assert annotations
    assert json.loads(annotations) == [
        {"id": f"id {text}", "category": text or None, "contents": json.loads(annotation.contents)}
        for annotation, text in zip(made, TROUBLE, strict=True)
    ]


def test_annotations_come_in_the_order_of_their_rows_whatever_was_written_between(valves: Dataset) -> None:
    assets = [cast.make_asset(valves, f"{n}.jpg") for n in range(3)]
    made: dict[int, list[str]] = {asset.pk: [] for asset in assets}
    for turn in range(12):
        asset = assets[(turn * 2) % 3]
        made[asset.pk].append(cast.make_annotation(asset).uid)
    found = assemble(*reversed(assets))
    assert list(found) == sorted(made)
    assert {pk: [entry["id"] for entry in json.loads(one.annotations or b"")] for pk, one in found.items()} == made


@pytest.mark.parametrize("place", range(3))
@pytest.mark.parametrize(
    "change",
    [{"flawed": True}, {"contents": '{"type":"Freeform","text":"x"}'}, {"contents": '{"type": "PhraseGrounding"}'}],
)
def test_what_needs_a_second_look_is_left_out(valves: Dataset, change: dict[str, Any], place: int) -> None:
    sound, other = (cast.make_asset(valves, f"{n}.jpg") for n in range(2))
    cast.make_annotation(sound, cast.grounding("A ! valve", "! valve", (1, 2, 3, 4)))
    made = [cast.make_annotation(other) for _ in range(3)]
    Annotation.objects.filter(pk=made[place].pk).update(**change)
    found = assemble(sound, other, opening='{"type":"PhraseGrounding"')
    assert [found[sound.pk].annotations is None, found[other.pk].annotations is None] == [False, True]


def test_of_some_assets_nothing_is_said(valves: Dataset) -> None:
    asset = cast.make_asset(valves, "a.jpg")
    [row] = assembly.assemble([asset.pk], ["uid", "width"], normalized=False, opening="{")
    assert row == (asset.uid, asset.width, None, None)


def test_labels_come_one_text_a_line(valves: Dataset) -> None:
    asset = cast.make_asset(valves, "a.jpg")
    made = [cast.make_annotation(asset) for _ in range(3)]
    assert assembled(asset).labels.split("\n") == [annotation.labels for annotation in made]


def test_what_has_no_normalized_text_keeps_its_own() -> None:
    notes = cast.make_dataset(cast.make_organization("Notes"), type="freeform")
    asset = cast.make_asset(notes, "a.jpg")
    annotation = cast.make_annotation(asset, Freeform("as it is"))
    assert annotation.contents.encode() in (assembled(asset, normalized=True).annotations or b"")
