"""Texts that pass through an export are those that Python makes of the same rows, one by one."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from datasets.contents import Freeform
from datasets.models import Annotation, Asset, Dataset
from exports.sources import assembly, record_reader
from exports.sources.record_reader import RecordReader
from tests import cast
from tests.exports.reading import export, members, receipt

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "snapshot"])

WORDS = [
    "valve",
    "a, b,",
    '"quoted"',
    "back\\slash",
    "ünï",
    "赤い弁",
    "🔧",
    "e\u0301",
    "\u202egnp",
    "!",
    "}{",
    "100%s",
    "' --",
    "",
]
NAMES = [
    "plain.jpg",
    "../../up.jpg",
    "C:\\x.jpg",
    "a\nb.jpg",
    "CON",
    " dots. .",
    "赤い.png",
    "\u202egpj.exe",
    "x" * 300,
    '"q".jpg',
]


def text(rng: random.Random) -> str:
    return " ".join(rng.choices(WORDS, k=rng.randint(1, 4)))


def annotate(asset: Asset, rng: random.Random) -> None:
    phrase = text(rng) or "valve"
    left, top = rng.uniform(0, 400), rng.uniform(0, 300)
    # Now and then the box leaves the image, and the annotation has to be repaired.
    box = (left, top, left + rng.uniform(1, 900 if rng.random() < 0.1 else 90), top + rng.uniform(1, 90))
    made = cast.make_annotation(
        asset, cast.grounding(f"See {phrase} here", phrase, box), category=rng.choice([None, text(rng)])
    )
    Annotation.objects.filter(pk=made.pk).update(uid=f"{text(rng)} {made.pk}")


@pytest.fixture(params=[1, 2])
def odd(valves: Dataset, request: pytest.FixtureRequest) -> Dataset:
    """Assets that are called anything, some without annotations, some with broken ones; written in no order."""
    rng = random.Random(request.param)
    assets = [cast.make_asset(valves, f"{number} {rng.choice(NAMES)}", width=500, height=400) for number in range(20)]
    for _ in range(50):
        annotate(rng.choice(assets[:17]), rng)
    foreign = cast.make_annotation(assets[3])
    Annotation.objects.filter(pk=foreign.pk).update(contents='{"type":"Freeform","text":"x"}')
    cast.make_annotation(assets[18])
    assets[18].annotations.update(contents='{"type":"PhraseGrounding","caption":1}', flawed=True)
    return valves


def told(**asked: Any) -> dict[str, Any]:
    """All that an export holds but what is of this very one."""
    job = export(**asked)
    found: dict[str, Any] = members(job)
    found["export.json"] = {key: value for key, value in receipt(job).items() if key not in {"export", "snapshot_at"}}
    found["row"] = (job.assets_selected, job.assets_written, job.annotations_written, job.warnings)
    return found


ASKED: list[dict[str, Any]] = [
    {},
    {"annotated": "yes", "normalized": True},
    {"search": "p", "ratio": "0.3", "seed": 5, "normalized": True},
]


@pytest.mark.parametrize("asked", ASKED, ids=str)
def test_what_passes_through_is_what_would_be_made_of_it(
    odd: Dataset, asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    passed = told(dataset=odd, **asked)
    monkeypatch.setattr(RecordReader, "_passed_records", RecordReader._opened_records)
    assert told(dataset=odd, **asked) == passed

    def nothing_is_fit(*arguments: Any, **options: Any) -> Iterator[tuple[Any, ...]]:
        for *columns, _, labels in assembly.assemble(*arguments, **options):
            yield (*columns, None, labels)

    monkeypatch.setattr(record_reader, "assemble", nothing_is_fit)
    assert told(dataset=odd, **asked) == passed


@pytest.mark.parametrize("kind", ["vqa", "freeform"])
def test_so_it_is_with_other_types(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = cast.make_dataset(cast.make_organization(), type=kind)
    for name in NAMES:
        cast.make_annotation(cast.make_asset(dataset, name), cast.qa() if kind == "vqa" else Freeform(f"of {name}"))
    passed = told(dataset=dataset)
    monkeypatch.setattr(RecordReader, "_passed_records", RecordReader._opened_records)
    assert told(dataset=dataset) == passed
