"""ViFull exports, unzipped and loaded by the vendor's own client."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from datasets.models import Dataset
from tests import cast
from tests.datasets.imports.importing import imported
from tests.exports.formats.vi_fulls import Load, full, make_pictured, only_line
from tests.exports.reading import members, receipt
from tests.exports.vi_loader import paired

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "snapshot"])

BCCD = Path(__file__).parents[2] / "data" / "bccd"

KINDS = ["phrase-grounding", "vqa", "freeform"]


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
