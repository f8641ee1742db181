"""Folders of images and files of lines become a dataset; the account says what became of each."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.db import connection
from django.test.utils import CaptureQueriesContext

from datasets.contents import PhraseGrounding, Vqa
from datasets.imports.importer import import_into
from datasets.models import Annotation, Dataset
from tests import cast
from tests.datasets.imports.importing import (
    exported,
    imported,
    imported_lines,
    line,
    rows,
    vqa_line,
    write_image,
    write_lines,
)
from vi_portal.accounts.models import Organization
from vi_portal.jobs.progress import Progress

BCCD = Path(__file__).parents[2] / "data" / "bccd"


class TestBccd:
    """364 lines and 4,888 boxes of real material, two of them without area."""

    def test_everything_is_imported_and_the_degenerate_boxes_are_named(self, valves: Dataset) -> None:
        outcome = imported(valves, BCCD / "images", BCCD / "phrase_grounding.jsonl")
        summary = outcome.summary
        assert (summary.images.read, summary.images.written) == (12, 12)
        assert (summary.assets.written, summary.annotations.written) == (364, 364)
        assert (summary.boxes, summary.degenerate_boxes, summary.outside_boxes) == (4888, 2, 0)
        assert summary.missing_images == 352
        degenerate = [problem for problem in outcome.problems if "degenerate" in problem]
        assert [problem.split(";")[0] for problem in degenerate] == [
            "phrase_grounding.jsonl:300: The box [504, 337, 504, 337] of “red blood cells” is degenerate",
            "phrase_grounding.jsonl:305: The box [181, 329, 181, 329] of “red blood cells” is degenerate",
        ]
        assert len(outcome.problems) == 352 + 2

    def test_every_box_is_where_it_was_and_every_phrase_has_its_span(self, valves: Dataset) -> None:
        imported(valves, annotations=BCCD / "phrase_grounding.jsonl")
        stored = Annotation.objects.filter(asset__dataset=valves).order_by("pk")
        with (BCCD / "phrase_grounding.jsonl").open() as file:
            for text, row in zip(file, stored, strict=True):
                source = json.loads(text)["contents"]
                contents = row.parsed
                assert isinstance(contents, PhraseGrounding)
                assert contents.caption == source["caption"]
                for phrase, original in zip(contents.grounded_phrases, source["groundedPhrases"], strict=True):
                    assert phrase.char_span == (original["startTokenIndex"], original["endTokenIndex"])
                    words = contents.caption.replace(",", "").split()
                    said = " ".join(words[phrase.start_token_index : phrase.end_token_index + 1])
                    assert said == phrase.phrase == original["phrase"]
                    for box, fractions in zip(phrase.bounds, original["bounds"], strict=True):
                        pixels = [f * side for f, side in zip(fractions, (640, 480, 640, 480), strict=True)]
                        assert box == pytest.approx(pixels, abs=1e-4)

    def test_again_changes_nothing(self, valves: Dataset) -> None:
        imported(valves, BCCD / "images", BCCD / "phrase_grounding.jsonl")
        before = rows(valves)
        files = default_storage.listdir(f"{valves.organization_id}/{valves.pk}")
        outcome = imported(valves, BCCD / "images", BCCD / "phrase_grounding.jsonl")
        assert outcome.summary.images.already_there == 12
        assert outcome.summary.assets.already_there == 364
        assert outcome.summary.annotations.already_there == 364
        assert outcome.summary.degenerate_boxes == 2
        assert rows(valves) == before
        assert default_storage.listdir(f"{valves.organization_id}/{valves.pk}") == files

    def test_questions_are_imported(self, acme: Organization) -> None:
        dataset = cast.make_dataset(acme, name="Cells", type="vqa")
        outcome = imported(dataset, annotations=BCCD / "vqa.jsonl")
        assert outcome.summary.annotations.written == 364
        first = Annotation.objects.filter(asset__dataset=dataset).earliest("pk").parsed
        assert isinstance(first, Vqa)
        assert [pair.answer for pair in first.interactions] == ["19", "1", "0"]

    def test_images_that_come_later_find_their_assets(self, valves: Dataset) -> None:
        imported(valves, annotations=BCCD / "phrase_grounding.jsonl")
        outcome = imported(valves, images=BCCD / "images")
        assert outcome.summary.assets.updated == 12
        assert valves.assets.count() == 364
        asset = valves.assets.get(filename="BloodImage_00338.jpg")
        with asset.open_image() as file:
            assert file.read() == (BCCD / "images" / "BloodImage_00338.jpg").read_bytes()


def test_the_number_of_queries_does_not_grow_with_the_lines(valves: Dataset, tmp_path: Path) -> None:
    counts = []
    for size in (50, 400):
        lines = [line(f"{size}-{number}.jpg", id=str(number)) for number in range(size)]
        with CaptureQueriesContext(
            connection,
        ) as queries:
            imported_lines(valves, tmp_path, *lines)
        # SQLite takes a bounded number of values in one INSERT.
        counts.append(sum(not query["sql"].startswith("INSERT") for query in queries))
    assert counts[0] == counts[1] < 30


def test_progress_grows_to_the_end(valves: Dataset, tmp_path: Path) -> None:
    write_image(tmp_path / "images" / "a.jpg")
    lines = write_lines(tmp_path / "lines.jsonl", [line(id=str(number)) for number in range(1200)])
    seen: list[tuple[str, float]] = []
    import_into(
        valves,
        images=tmp_path / "images",
        annotations=lines,
        report=lambda problem: None,
        progress=Progress(lambda progress: seen.append((progress.phase, progress.percent))),
    )
    percents = [percent for _, percent in seen]
    assert percents == sorted(percents)
    assert percents[-1] == pytest.approx(100)
    assert {phase for phase, _ in seen} == {"Storing images", "Reading annotations"}
    assert len({percent for phase, percent in seen if phase == "Reading annotations"}) > 2


NASTY: list[Any] = [None, True, -1, 0, 0.5, 1e308, -1e308, 2**63, 10**400]
NASTY += ["", "\x00", "e\u0301", "\u202e", "x" * 3000, "../.."]
NASTY += [[], {}, [[]], [{}], [[1, 2, 3, 4]], {"x": 1}]


def mutated(value: Any, random: Random) -> Any:
    """`value` with some of its parts replaced, dropped or doubled."""
    if random.random() < 0.06:
        return random.choice(NASTY)
    if isinstance(value, dict):
        return {key: mutated(item, random) for key, item in value.items() if random.random() > 0.03}
    if isinstance(value, list):
        return [mutated(item, random) for item in value for _ in range(random.choice((1, 1, 1, 1, 2)))]
    return value


@pytest.mark.parametrize("seed", range(3))
def test_whatever_the_lines_say_the_import_ends_and_its_account_adds_up(
    valves: Dataset, tmp_path: Path, seed: int
) -> None:
    random = Random(seed)
    sources = [line(), exported(), vqa_line(), {"asset_id": "asset-7", "caption": "A valve"}]
    lines = [mutated(random.choice(sources), random) for _ in range(120)]
    first = imported_lines(valves, tmp_path, *lines).summary
    assert first.annotations.written > 0
    assert first.lines_refused > 0
    annotations = rows(valves)
    again = imported_lines(valves, tmp_path, *lines).summary
    assert again.annotations.created == 0
    assert again.assets.created == 0
    assert len(rows(valves)) == len(annotations)
