"""Lines become annotations: what is new, changed, doubted or refused."""

from __future__ import annotations

from pathlib import Path

from datasets.models import Annotation, Dataset
from tests import cast
from tests.datasets.imports.importing import (
    imported_lines,
    line,
    vqa_line,
)


class TestAnnotations:
    def test_a_changed_annotation_is_updated(self, valves: Dataset, tmp_path: Path) -> None:
        imported_lines(valves, tmp_path, line())
        moved = line(category="leak")
        moved["contents"]["groundedPhrases"][0]["bounds"] = [[0, 0, 500, 800]]
        outcome = imported_lines(valves, tmp_path, moved)
        assert not any("replaces" in problem for problem in outcome.problems)
        assert (outcome.summary.annotations.updated, outcome.summary.annotations.created) == (1, 0)
        row = Annotation.objects.get()
        assert row.category == "leak"
        assert '"bounds":[[0,0,500,800]]' in row.contents
        assert '"bounds":[[0,0,0.5,1]]' in str(row.contents_normalized)

    def test_an_annotation_without_an_id_is_known_by_its_contents(self, valves: Dataset, tmp_path: Path) -> None:
        without = line()
        del without["id"]
        imported_lines(valves, tmp_path, without, line(), without)
        assert Annotation.objects.count() == 2
        assert imported_lines(valves, tmp_path, without).summary.annotations.already_there == 1

    def test_the_later_of_two_lines_with_one_id_wins_and_is_named(self, valves: Dataset, tmp_path: Path) -> None:
        cast.make_asset(valves, file="x.jpg"), cast.make_asset(valves, "other.jpg", file="y.jpg")
        outcome = imported_lines(valves, tmp_path, line(), line(category="second"), line("other.jpg"))
        assert outcome.problems == [
            "annotations.jsonl:2: The id “a1” was given to another annotation of the asset by an earlier line; "
            "this one replaces it."
        ]
        assert [(row.asset.filename, row.category) for row in Annotation.objects.order_by("pk")] == [
            ("line_07.jpg", "second"),
            ("other.jpg", None),
        ]

    def test_fractions_are_of_the_image_that_is_there(self, valves: Dataset, tmp_path: Path) -> None:
        cast.make_asset(valves, width=2000, height=1000)
        half = line()
        half["contents"]["groundedPhrases"][0]["bounds"] = [[0.1, 0.25, 0.5, 1]]
        imported_lines(valves, tmp_path, half)
        assert '"bounds":[[200,250,1000,1000]]' in Annotation.objects.get().contents

    def test_pixels_of_another_size_are_doubted(self, valves: Dataset, tmp_path: Path) -> None:
        cast.make_asset(valves, width=2000, height=1600, file="x.jpg")
        [problem] = imported_lines(valves, tmp_path, line()).problems
        assert "The line says 1000 x 800 px, but “line_07.jpg” is 2000 x 1600 px" in problem

    def test_boxes_outside_are_stored_as_they_came_and_named(self, valves: Dataset, tmp_path: Path) -> None:
        cast.make_asset(valves, file="x.jpg")
        outside = line()
        outside["contents"]["groundedPhrases"][0]["bounds"] = [[-5.5, 10, 50, 900], [1, 1, 1, 5], [1, 2, 3, 4]]
        outcome = imported_lines(valves, tmp_path, outside)
        assert outcome.problems == [
            "annotations.jsonl:1: The box [-5.5, 10, 50, 900] of “red valve” reaches outside the image; it is stored "
            "as it came, and exports clamp it.",
            "annotations.jsonl:1: The box [1, 1, 1, 5] of “red valve” is degenerate; it is stored as it came, and "
            "exports leave it out.",
        ]
        assert '"bounds":[[-5.5,10,50,900],[1,1,1,5],[1,2,3,4]]' in Annotation.objects.get().contents
        assert (outcome.summary.boxes, outcome.summary.outside_boxes) == (3, 1)

    def test_bad_lines_are_named_and_the_rest_imported(self, valves: Dataset, tmp_path: Path) -> None:
        cast.make_asset(valves, file="x.jpg")
        outcome = imported_lines(
            valves, tmp_path, line(id="1"), b"{", vqa_line(), [1, 2], line(id="2"), b'{"a":"\\ud800"}'
        )
        assert [problem.split(" ")[0] for problem in outcome.problems] == [
            f"annotations.jsonl:{number}:" for number in (2, 3, 4, 6)
        ]
        assert (outcome.summary.lines_read, outcome.summary.lines_refused) == (6, 4)
        assert outcome.summary.annotations.written == 2

    def test_contents_too_large_are_refused(self, valves: Dataset, tmp_path: Path) -> None:
        large = line(contents={"type": "PhraseGrounding", "caption": "x" * 5 * 2**20, "groundedPhrases": []})
        [_, problem] = imported_lines(valves, tmp_path, large).problems
        assert "larger than 4 MiB" in problem

    def test_problems_are_fit_to_be_printed(self, valves: Dataset, tmp_path: Path) -> None:
        hostile = line("\x1b[2J" + "x" * 900 + ".jpg")
        for problem in imported_lines(valves, tmp_path, hostile).problems:
            assert problem.isprintable()
            assert len(problem) < 300

    def test_caches_hear_of_every_change(self, valves: Dataset, tmp_path: Path) -> None:
        revisions = [valves.revision]
        for change in (line(), line(category="x"), line(id="new")):
            imported_lines(valves, tmp_path, change)
            revisions.append(Dataset.objects.get().revision)
        assert revisions == sorted(set(revisions))
