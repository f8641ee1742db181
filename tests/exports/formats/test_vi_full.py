"""ViFull exports, unzipped and loaded by the vendor's own client."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import default_storage
from PIL import Image

from datasets.contents import Contents, GroundedPhrase, Interaction, PhraseGrounding, Vqa
from datasets.models import Asset, Dataset
from exports.dispatch import request_export
from exports.formats import vi_full
from exports.models import ExportJob
from exports.spec import ExportSpec, SpecError
from tests import cast
from tests.datasets.imports.importing import imported
from tests.exports.reading import archive_path, export, leftovers, members, receipt
from tests.exports.vi_loader import Loader, paired, vi_loader

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "snapshot"])

BCCD = Path(__file__).parents[2] / "data" / "bccd"
KINDS = ["phrase-grounding", "vqa", "freeform"]

Load = Callable[[ExportJob], dict[str, Any]]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loader]:
    with vi_loader(tmp_path_factory.mktemp("home")) as loader:
        yield loader


@pytest.fixture
def load(client: Loader, tmp_path: Path) -> Load:
    return lambda job: client(tmp_path / str(job.pk), archive_path(job))


def full(dataset: Dataset, **options: Any) -> ExportJob:
    return export(dataset, format="ViFull", normalized=options.pop("normalized", True), **options)


def png(width: int = 64, height: int = 48) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), "olive").save(buffer, "PNG")
    return buffer.getvalue()


def make_pictured(dataset: Dataset, filename: str, *contents: Contents, width: int = 64) -> Asset:
    """An annotated asset with an image, `width` x 48 px."""
    asset = cast.make_asset(dataset, filename, width=width, height=48, image=cast.jpeg(width, 48))
    if not contents and dataset.type == "phrase-grounding":
        contents = (cast.grounding("A red valve", "red valve", (5, 5, 30, 30)),)
    for each in contents or (cast.default_contents(dataset),):
        cast.make_annotation(asset, each)
    return asset


def only_line(job: ExportJob) -> dict[str, Any]:
    [text] = [content for name, content in members(job).items() if name.endswith(".jsonl")]
    loaded: dict[str, Any] = json.loads(text)
    return loaded


# The client loads it


@pytest.mark.parametrize("kind", ["phrase_grounding", "vqa"])
def test_the_client_loads_and_draws_both_splits_of_real_cells(kind: str, load: Load) -> None:
    cells = cast.make_dataset(name="Cells", type=kind.replace("_", "-"))
    imported(cells, images=BCCD / "images", annotations=BCCD / f"{kind}.jsonl")
    job = full(cells, ratio="0.25", seed=1)
    splits = load(job)
    assert {name: split["assets"] for name, split in splits.items()} == {"training": 9, "validation": 3}
    assert (job.train_count, job.validation_count) == (9, 3)
    found = paired(splits["training"]) | paired(splits["validation"])
    assert sorted(found) == sorted(path.name for path in (BCCD / "images").iterdir())
    assert all(width >= 640 for split in splits.values() for width, _ in split["drawn"])
    written = members(job)
    for path in (BCCD / "images").iterdir():
        assert path.read_bytes() in (written.get(f"{s}/images/{path.name}") for s in ("training", "validation"))
    if kind == "phrase_grounding":
        boxes = [b for a in found.values() for phrase in a["contents"]["groundedPhrases"] for b in phrase["bounds"]]
        assert len(boxes) > 100
        assert all(0 <= x1 < x2 <= 1 and 0 <= y1 < y2 <= 1 for x1, y1, x2, y2 in boxes)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ratio", [None, "0.5"])
def test_every_kind_loads_whatever_the_files_are_called(kind: str, ratio: str | None, load: Load) -> None:
    dataset = cast.make_dataset(name="Mixed", type=kind)
    files = [
        "a.JPG",
        "a.png",
        "A.jpg",
        "b.png",
        "b.o.jpg",
        "b-1.gif",
        "scan",
        "scan.raw",
        "Ünïcode 海 🌊.jpeg",
        "CON.jpg",
    ]
    files += ["x.jpg_1.rf.0a1b.jpg", "twin.jpg", "twin.jpg", "long" * 80 + ".TIFF"]
    assets = [make_pictured(dataset, name, width=50 + place) for place, name in enumerate(files)]
    cast.make_asset(dataset, "bare.jpg", image=cast.jpeg())
    job = full(dataset, ratio=ratio, seed=3)
    splits = load(job)
    assert set(splits) == ({"dump"} if ratio is None else {"training", "validation"})
    found: dict[str, Any] = {}
    for split in splits.values():
        found |= paired(split)
    # The widths are all different: a pair that got mixed up would show.
    assert sorted(a["asset"]["width"] for a in found.values()) == [50 + place for place in range(len(files))]
    by_id = {annotation["id"]: annotation["asset"]["width"] for annotation in found.values()}
    assert by_id == {asset.annotations.get().uid: asset.width for asset in assets}
    told = receipt(job)["totals"]
    assert told["assets"] == {"asked": 15, "written": 14, "skipped": 1}
    assert told["images"] == {"asked": 14, "written": 14, "skipped": 0}


@pytest.mark.parametrize("ratio", ["0", "1"])
def test_an_empty_split_still_loads(valves: Dataset, ratio: str, load: Load) -> None:
    make_pictured(valves, "a.jpg")
    splits = load(full(valves, ratio=ratio))
    counts = {name: len(paired(split)) for name, split in splits.items()}
    assert counts == {"training": 1 - int(ratio), "validation": int(ratio)}


def test_freeform_loads_as_a_caption_without_phrases(load: Load) -> None:
    notes = cast.make_dataset(name="Notes", type="freeform")
    make_pictured(notes, "a.jpg", cast.freeform("The left gauge\nis “dirty”."))
    contents = paired(load(full(notes))["dump"])["a.jpg"]["contents"]
    assert (contents["caption"], contents["groundedPhrases"]) == ("The left gauge\nis “dirty”.", [])


def test_boxes_are_fractions_or_pixels(valves: Dataset) -> None:
    asset = cast.make_asset(valves, "a.jpg", width=1000, height=800, image=cast.jpeg(1000, 800))
    cast.make_annotation(asset, cast.grounding())
    for normalized, box in ((True, [0.1, 0.25, 0.3, 0.5]), (False, [100, 200, 300, 400])):
        [phrase] = only_line(full(valves, normalized=normalized))["contents"]["groundedPhrases"]
        assert phrase["bounds"] == [box]


# Its layout


def test_guards_come_first_in_every_folder(valves: Dataset) -> None:
    for name in ("a.jpg", "b.jpg", "c.jpg", "d.jpg"):
        make_pictured(valves, name)
    names = list(members(full(valves, ratio="0.5", seed=1)))
    for split in ("training", "validation"):
        for folder in ("images", "annotations"):
            inside = [name for name in names if name.startswith(f"{split}/{folder}/")]
            assert inside[:4] == [f"{split}/{folder}/.vi/{number}/x" for number in range(4)]
            assert len(inside) == 6
    assert names[-1] == "export.json"


def test_a_line_has_the_keys_it_should(valves: Dataset) -> None:
    asset = make_pictured(valves, "Line 07.JPG", cast.grounding("A red valve", "red valve", (6.4, 12, 32, 24)))
    written = members(full(valves))
    assert written["dump/images/Line 07.jpg"] == cast.jpeg(64, 48)
    assert json.loads(written["dump/annotations/Line 07.jsonl"]) == {
        "id": asset.annotations.get().uid,
        "asset_id": asset.uid,
        "asset": {
            "type": "Image",
            "filename": "Line 07.jpg",
            "width": 64,
            "height": 48,
            "original_filename": "Line 07.JPG",
        },
        "contents": {
            "type": "PhraseGrounding",
            "caption": "A red valve",
            "groundedPhrases": [
                {
                    "phrase": "red valve",
                    "startTokenIndex": 1,
                    "endTokenIndex": 2,
                    "charSpan": [2, 11],
                    "bounds": [[0.1, 0.25, 0.5, 0.5]],
                }
            ],
        },
    }
    assert written["dump/annotations/Line 07.jsonl"].count(b"\n") == 1


def test_a_name_does_not_depend_on_what_is_selected(valves: Dataset) -> None:
    for name in ("a.jpg", "a.png", "b.jpg"):
        make_pictured(valves, name)

    def images(**options: Any) -> set[str]:
        return {Path(name).name for name in members(full(valves, **options)) if "/images/" in name} - {"x"}

    assert images(search=".jpg") < images() == images(ratio="0.5")


def test_the_same_asked_again_gives_the_same_bytes(valves: Dataset) -> None:
    for name in ("a.jpg", "a.png", "b.jpg"):
        make_pictured(valves, name)
    first, second = (members(full(valves, ratio="0.5", seed=5)) for _ in range(2))
    first.pop("export.json")
    second.pop("export.json")
    assert first == second
    assert list(first) == list(second)


# What cannot go in


def test_an_asset_whose_image_cannot_be_had_is_left_out_and_counted_and_named(valves: Dataset, load: Load) -> None:
    assets = [make_pictured(valves, f"p{n}.jpg", width=60 + n) for n in range(4)]
    cast.make_annotation(assets[1], cast.grounding("One valve", "valve", (1, 1, 5, 5)))
    cast.make_annotation(cast.make_asset(valves, "never.jpg"), cast.grounding("One valve", "valve", (1, 1, 5, 5)))
    default_storage.delete(assets[1].file)
    Path(default_storage.path(assets[2].file)).write_bytes(b"other bytes")
    job = full(valves)
    told = receipt(job)
    assert told["totals"] == {
        "assets": {"asked": 5, "written": 2, "skipped": 3},
        "annotations": {"asked": 6, "written": 2, "skipped": 4},
        "boxes": {"asked": 6, "written": 2, "skipped": 4},
        "images": {"asked": 5, "written": 2, "skipped": 3},
    }
    reasons = {skipped["filename"]: skipped["reason"] for skipped in told["skipped"]}
    assert reasons.keys() == {"never.jpg", "p1.jpg", "p2.jpg"}
    assert "no image was uploaded" in reasons["never.jpg"]
    assert "cannot be read" in reasons["p1.jpg"]
    assert "not the one that was uploaded" in reasons["p2.jpg"]
    assert sum(job.warnings["skipped"].values()) == 3
    assert sorted(paired(load(job)["dump"])) == ["p0.jpg", "p3.jpg"]
    assert (job.assets_written, job.annotations_written) == (2, 2)


def test_the_split_is_drawn_among_assets_with_an_image(valves: Dataset) -> None:
    cast.make_annotated(valves, 30)
    for number in range(4):
        make_pictured(valves, f"p{number}.jpg")
    job = full(valves, ratio="0.25", seed=1)
    assert (job.train_count, job.validation_count) == (3, 1)


def test_without_any_image_it_is_refused_beforehand(valves: Dataset) -> None:
    cast.make_annotated(valves, 2)
    cast.make_asset(valves, "bare.jpg", image=cast.jpeg())
    with pytest.raises(SpecError, match="None of the annotated assets has an image here"):
        request_export(ExportSpec("ViFull"), dataset=valves, user=None, ring=False)


def test_where_no_image_can_be_read_nothing_is_published(valves: Dataset) -> None:
    default_storage.delete(make_pictured(valves, "a.jpg").file)
    job = full(valves)
    assert "nothing was written" in job.failure
    assert not job.archive
    assert leftovers() == []


# Several annotations of one image


def test_captions_are_joined_and_every_span_stays_true(valves: Dataset, load: Load) -> None:
    first = cast.grounding("A red  valve", "red  valve", (1, 1, 9, 9))
    second = cast.grounding("Two gauges, one valve", "gauges,", (10, 10, 20, 20), (30, 10, 40, 20))
    lost = GroundedPhrase(phrase="pump", start_token_index=-1, end_token_index=-1, bounds=[(2, 2, 8, 8)])
    third = PhraseGrounding("A red  valve", [lost, *cast.grounding("A red  valve", "A", (3, 3, 6, 6)).grounded_phrases])
    asset = make_pictured(valves, "a.jpg", first, second, third)
    job = full(valves, normalized=False)
    found = only_line(job)
    contents = found["contents"]
    assert contents["caption"] == "A red  valve\nTwo gauges, one valve"
    assert [phrase["phrase"] for phrase in contents["groundedPhrases"]] == ["red  valve", "gauges,", "pump", "A"]
    for phrase in contents["groundedPhrases"]:
        if phrase["phrase"] == "pump":
            assert (phrase["startTokenIndex"], phrase["endTokenIndex"]) == (-1, -1)
            assert "charSpan" not in phrase
            continue
        start, end = phrase["charSpan"]
        assert contents["caption"][start:end] == phrase["phrase"]
        words = contents["caption"].split()[phrase["startTokenIndex"] : phrase["endTokenIndex"] + 1]
        assert words == phrase["phrase"].split()
    assert [len(phrase["bounds"]) for phrase in contents["groundedPhrases"]] == [1, 2, 1, 1]
    uids = list(asset.annotations.order_by("pk").values_list("uid", flat=True))
    assert [origin["id"] for origin in found["merged_from"]] == uids
    assert found["id"] == uids[0]
    assert receipt(job)["totals"]["annotations"] == {"asked": 3, "written": 3, "skipped": 0}
    assert receipt(job)["totals"]["boxes"]["written"] == 5
    assert len(paired(load(job)["dump"])) == 1


def test_interactions_are_joined_and_numbered_anew(load: Load) -> None:
    questions = cast.make_dataset(name="Questions", type="vqa")
    make_pictured(questions, "a.jpg", cast.qa(("One?", "1"), ("Two?", "2")), Vqa([Interaction(7, "Three?", "3")]))
    interactions = paired(load(full(questions))["dump"])["a.jpg"]["contents"]["interactions"]
    assert [(each["order"], each["question"], each["answer"]) for each in interactions] == [
        (1, "One?", "1"),
        (2, "Two?", "2"),
        (3, "Three?", "3"),
    ]


def test_texts_are_joined(load: Load) -> None:
    notes = cast.make_dataset(name="Notes", type="freeform")
    make_pictured(notes, "a.jpg", cast.freeform("Dirty."), cast.freeform("Dented."))
    assert paired(load(full(notes))["dump"])["a.jpg"]["contents"]["caption"] == "Dirty.\nDented."


def test_a_category_is_told_where_it_is_one(valves: Dataset) -> None:
    asset = cast.make_asset(valves, "a.jpg", image=cast.jpeg())
    for _ in range(2):
        cast.make_annotation(asset, category="défaut")
    assert only_line(full(valves))["category"] == "défaut"
    cast.make_annotation(asset, category="other")
    found = only_line(full(valves))
    assert "category" not in found
    assert [origin["category"] for origin in found["merged_from"]] == ["défaut", "défaut", "other"]


def test_merging_one_changes_nothing() -> None:
    for contents in (cast.grounding(), cast.qa()):
        assert vi_full.merged([contents]) == contents
