"""Folders of images and files of lines become a dataset; the account says what became of each."""

from __future__ import annotations

import json
import os
import unicodedata
from pathlib import Path
from random import Random
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.db import connection
from django.test.utils import CaptureQueriesContext

from datasets.contents import PhraseGrounding, Vqa
from datasets.imports.files import NothingThere
from datasets.imports.importer import import_into
from datasets.models import Annotation, Asset, Dataset
from tests import cast
from tests.datasets.imports.importing import (
    exported,
    imported,
    imported_lines,
    line,
    vqa_line,
    write_image,
    write_lines,
)
from vi_portal.accounts.models import Organization
from vi_portal.jobs.progress import Progress

BCCD = Path(__file__).parents[2] / "data" / "bccd"


def rows(dataset: Dataset) -> list[tuple[str, str, str]]:
    annotations = Annotation.objects.filter(asset__dataset=dataset).order_by("pk")
    return [(row.asset.filename, row.uid, row.contents) for row in annotations.select_related("asset")]


def filenames(dataset: Dataset) -> list[str]:
    return [asset.filename for asset in dataset.assets.order_by("pk")]


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


class TestImages:
    def test_assets_are_in_the_order_of_their_paths(self, valves: Dataset, tmp_path: Path) -> None:
        for name in ("c.png", "a/z.jpg", "b.jpeg", "a/b/y.jpg"):
            write_image(tmp_path / name, color=f"rgb({len(name)},1,2)")
        imported(valves, images=tmp_path)
        assert filenames(valves) == ["y.jpg", "z.jpg", "b.jpeg", "c.png"]

    def test_other_and_hidden_files_are_left_alone(self, valves: Dataset, tmp_path: Path) -> None:
        write_image(tmp_path / "a.JPG")
        for name in ("b.txt", ".c.jpg", ".git/d.jpg", "e.jpg.part"):
            write_image(tmp_path / name)
        os.mkfifo(tmp_path / "f.jpg")
        (tmp_path / "g.jpg").mkdir()
        assert imported(valves, images=tmp_path).summary.images.read == 1
        assert filenames(valves) == ["a.JPG"]

    def test_links_lead_nowhere_outside_the_folder(self, valves: Dataset, tmp_path: Path) -> None:
        write_image(tmp_path / "outside" / "secret.jpg")
        folder = tmp_path / "images"
        write_image(folder / "a.jpg")
        (folder / "in.jpg").symlink_to("a.jpg")
        (folder / "out.jpg").symlink_to("../outside/secret.jpg")
        (folder / "outside").symlink_to("../outside")
        (folder / "dangling.jpg").symlink_to("nowhere.jpg")
        outcome = imported(valves, images=folder)
        assert filenames(valves) == ["a.jpg", "in.jpg"]
        assert [problem.partition(": ")[0] for problem in outcome.problems] == ["dangling.jpg", "out.jpg"]
        assert (outcome.summary.images.read, outcome.summary.images.refused) == (4, 2)

    def test_what_is_no_image_is_named_and_the_rest_imported(self, valves: Dataset, tmp_path: Path) -> None:
        (tmp_path / "a").mkdir()
        (tmp_path / "a" / "notes.jpg").write_text("hello")
        write_image(tmp_path / "b.jpg")
        outcome = imported(valves, images=tmp_path)
        [problem] = outcome.problems
        assert problem.startswith("a/notes.jpg: “notes.jpg” is not an image")
        assert (outcome.summary.images.refused, outcome.summary.images.written) == (1, 1)

    def test_a_truncated_image_is_kept_and_named(self, valves: Dataset, tmp_path: Path) -> None:
        path = write_image(tmp_path / "a.jpg", width=640, height=480)
        path.write_bytes(path.read_bytes()[:-100])
        outcome = imported(valves, images=tmp_path)
        assert outcome.problems == ["a.jpg: The image is kept as it is. The file ends too early."]
        assert valves.assets.get().flaw == "The file ends too early."

    def test_one_name_with_other_bytes_is_a_second_asset(self, valves: Dataset, tmp_path: Path) -> None:
        write_image(tmp_path / "1" / "a.jpg", color="red")
        write_image(tmp_path / "2" / "a.jpg", color="blue")
        write_image(tmp_path / "3" / "a.jpg", color="red")
        outcome = imported(valves, images=tmp_path)
        assert (outcome.summary.images.written, outcome.summary.images.already_there) == (2, 1)
        assert filenames(valves) == ["a.jpg", "a.jpg"]
        assert imported(valves, images=tmp_path).summary.images.already_there == 3

    def test_the_same_bytes_under_two_names_are_two_assets(self, valves: Dataset, tmp_path: Path) -> None:
        nfc, nfd = (unicodedata.normalize(form, "vue_été.jpg") for form in ("NFC", "NFD"))
        for name in (nfc, nfd, "A.jpg", "a.jpg", "x:y.jpg", "x_y.jpg"):
            write_image(tmp_path / name)
        assert imported(valves, images=tmp_path).summary.images.written == 6
        assert sorted(filenames(valves)) == sorted([nfc, nfd, "A.jpg", "a.jpg", "x:y.jpg", "x_y.jpg"])
        assert valves.assets.values("member_key").distinct().count() == 6
        assert imported(valves, images=tmp_path).summary.images.already_there == 6

    def test_names_that_are_no_text_are_imported_too(self, valves: Dataset, tmp_path: Path) -> None:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.jpg")).write_bytes(cast.jpeg())
        imported(valves, images=tmp_path)
        assert filenames(valves) == ["caf�.jpg"]
        assert imported(valves, images=tmp_path).summary.images.already_there == 1

    def test_an_image_of_another_size_than_annotated_is_refused(self, valves: Dataset, tmp_path: Path) -> None:
        cast.make_asset(valves, "a.jpg", width=1000, height=800)
        write_image(tmp_path / "a.jpg", width=64, height=48)
        [problem] = imported(valves, images=tmp_path).problems
        assert "64 x 48 px, but the annotations of “a.jpg” were made for 1000 x 800 px" in problem
        assert not valves.assets.get().file
        assert not any(path.is_file() for path in Path(default_storage.location).rglob("*"))  # type: ignore[attr-defined]

    def test_an_import_that_stops_leaves_no_file_without_its_asset(self, valves: Dataset, tmp_path: Path) -> None:
        for number in range(3):
            write_image(tmp_path / f"{number}.jpg", color=f"rgb({number},0,0)")

        def stop(progress: Progress) -> None:
            if progress.percent > 50:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            import_into(valves, images=tmp_path, report=print, progress=Progress(stop))
        assert not valves.assets.exists()
        assert not any(path.is_file() for path in Path(default_storage.location).rglob("*"))  # type: ignore[attr-defined]
        assert imported(valves, images=tmp_path).summary.images.written == 3


class TestFindingTheAsset:
    def test_by_its_id_before_its_name(self, valves: Dataset, tmp_path: Path) -> None:
        one, other = cast.make_asset(valves, "a.jpg"), cast.make_asset(valves, "b.jpg")
        imported_lines(valves, tmp_path, exported("a.jpg", asset_id=other.uid))
        assert one.annotations.count() == 0
        assert other.annotations.count() == 1

    def test_by_its_name_in_any_normal_form(self, valves: Dataset, tmp_path: Path) -> None:
        nfc, nfd = (unicodedata.normalize(form, "vue_été.jpg") for form in ("NFC", "NFD"))
        asset = cast.make_asset(valves, nfd)
        imported_lines(valves, tmp_path, line(nfc))
        assert asset.annotations.count() == 1
        exact = cast.make_asset(valves, nfc)
        imported_lines(valves, tmp_path, line(nfc, id="a2"))
        assert exact.annotations.count() == 1

    def test_case_matters(self, valves: Dataset, tmp_path: Path) -> None:
        cast.make_asset(valves, "A.jpg")
        imported_lines(valves, tmp_path, line("a.jpg"))
        assert filenames(valves) == ["A.jpg", "a.jpg"]

    def test_a_name_that_several_assets_have_is_refused(self, valves: Dataset, tmp_path: Path) -> None:
        cast.make_asset(valves, "a.jpg"), cast.make_asset(valves, "a.jpg")
        outcome = imported_lines(valves, tmp_path, line("a.jpg"))
        [problem] = outcome.problems
        assert problem.startswith("annotations.jsonl:1: 2 assets are named “a.jpg”.")
        assert (outcome.summary.annotations.refused, outcome.summary.assets.refused) == (1, 1)

    def test_a_path_tells_files_of_one_name_apart(self, valves: Dataset, tmp_path: Path) -> None:
        for folder, color in (("cam1", "red"), ("cam2", "blue")):
            write_image(tmp_path / "images" / folder / "a.jpg", color=color, width=1000, height=800)
        lines = write_lines(
            tmp_path / "lines.jsonl",
            [line("images/cam2/a.jpg", id="2"), line("cam1\\a.jpg", id="1"), line("a.jpg", id="0"), line("cam3/a.jpg")],
        )
        outcome = imported(valves, tmp_path / "images", lines)
        first, second = valves.assets.filter(filename="a.jpg").order_by("pk")
        assert [row.uid for row in first.annotations.all()] == ["1"]
        assert [row.uid for row in second.annotations.all()] == ["2"]
        assert "2 assets are named “a.jpg”" in outcome.problems[0]
        assert "no image file “cam3/a.jpg”" in outcome.problems[1]

    def test_a_path_finds_the_one_asset_named_like_its_end(self, valves: Dataset, tmp_path: Path) -> None:
        asset = cast.make_asset(valves, "a.jpg")
        imported_lines(valves, tmp_path, line("images/a.jpg"))
        assert asset.annotations.count() == 1

    @pytest.mark.parametrize("name", ["../evil.jpg", "/etc/evil.jpg", "C:\\evil.jpg", "..\\evil.jpg", "CON.jpg"])
    def test_names_are_only_names(self, valves: Dataset, tmp_path: Path, name: str) -> None:
        write_image(tmp_path / "evil.jpg")
        write_image(tmp_path / "images" / "evil.jpg", color="red")
        lines = write_lines(tmp_path / "lines.jsonl", [line(name)])
        outcome = imported(valves, tmp_path / "images", lines)
        asset = valves.assets.get(filename=name)
        assert (asset.file, asset.width, asset.annotations.count()) == ("", 1000, 1)
        assert "no image file" in outcome.problems[0]
        imported(valves, tmp_path / "images", lines)
        assert valves.assets.count() == 2

    def test_without_an_image_the_line_must_give_the_size(self, valves: Dataset, tmp_path: Path) -> None:
        outcome = imported_lines(valves, tmp_path, line(asset={"filename": "a.jpg", "width": 640}))
        [problem] = outcome.problems
        assert "no image “a.jpg” in the dataset, and the line gives no width and height" in problem
        assert not valves.assets.exists()
        write_image(tmp_path / "images" / "a.jpg")
        lines = write_lines(tmp_path / "lines.jsonl", [line(asset={"filename": "a.jpg"})])
        assert imported(valves, tmp_path / "images", lines).summary.annotations.written == 1

    def test_an_id_alone_finds_what_is_there_and_makes_nothing(self, valves: Dataset, tmp_path: Path) -> None:
        asset = cast.make_asset(valves, file="x.jpg")
        flat = {"caption": "A valve"}
        outcome = imported_lines(valves, tmp_path, flat | {"asset_id": asset.uid}, flat | {"asset_id": "nobody"})
        assert asset.annotations.count() == 1
        [problem] = outcome.problems
        assert "No asset of the dataset has the id “nobody”" in problem

    def test_a_missing_image_is_named_once(self, valves: Dataset, tmp_path: Path) -> None:
        outcome = imported_lines(valves, tmp_path, line(id="1"), line(id="2"))
        [problem] = outcome.problems
        assert problem == (
            "annotations.jsonl:1: There is no image file “line_07.jpg”; the annotation is kept without it."
        )
        assert valves.assets.get().annotations.count() == 2

    def test_assets_of_another_dataset_are_not_found(self, valves: Dataset, tmp_path: Path) -> None:
        stranger = cast.make_asset(cast.make_dataset(name="Pumps"))
        imported_lines(valves, tmp_path, exported(asset_id=stranger.uid))
        assert stranger.annotations.count() == 0
        assert valves.assets.get().uid == stranger.uid


class TestOurOwnExport:
    def test_assets_without_images_keep_ids_and_names(self, valves: Dataset, tmp_path: Path) -> None:
        imported_lines(valves, tmp_path, exported("evil.jpg", original_filename="../evil.jpg"))
        asset = valves.assets.get()
        assert (asset.uid, asset.filename, asset.member_name) == ("asset-7", "../evil.jpg", "evil.jpg")

    def test_images_get_their_ids_and_names_back(self, valves: Dataset, tmp_path: Path) -> None:
        write_image(tmp_path / "images" / "a.jpg", color="red", width=1000, height=800)
        write_image(tmp_path / "images" / "a~12345678.jpg", color="blue", width=1000, height=800)
        lines = [
            exported("a.jpg", asset_id="asset-1"),
            exported("a~12345678.jpg", asset_id="asset-2", original_filename="a.jpg"),
        ]
        file = write_lines(tmp_path / "annotations.jsonl", lines)
        imported(valves, tmp_path / "images", file)
        state = sorted(valves.assets.values_list("uid", "filename", "member_name"))
        assert state == [("asset-1", "a.jpg", "a.jpg"), ("asset-2", "a.jpg", "a~12345678.jpg")]
        again = imported(valves, tmp_path / "images", file)
        assert (again.summary.images.already_there, again.summary.annotations.already_there) == (2, 2)
        assert sorted(valves.assets.values_list("uid", "filename", "member_name")) == state

    def test_an_id_that_is_no_id_is_replaced(self, valves: Dataset, tmp_path: Path) -> None:
        for _ in range(2):
            imported_lines(valves, tmp_path, exported(asset_id="../../etc"))
        assert valves.assets.get().uid != "../../etc"

    def test_a_name_of_the_user_is_not_taken_for_a_name_in_the_archive(self, valves: Dataset, tmp_path: Path) -> None:
        second = exported("b~22222222.jpg", asset_id="second", original_filename="b.jpg")
        first = exported("b.jpg", asset_id="first", original_filename="../b.jpg")
        imported_lines(valves, tmp_path, second, first, second)
        state = sorted((asset.uid, asset.filename, asset.annotations.count()) for asset in valves.assets.all())
        assert state == [("first", "../b.jpg", 1), ("second", "b.jpg", 1)]

    def test_a_second_export_with_the_same_names_does_not_mix_with_the_first(
        self, valves: Dataset, tmp_path: Path
    ) -> None:
        for export, color in (("one", "red"), ("two", "blue")):
            write_image(tmp_path / export / "images" / "a.jpg", color=color, width=1000, height=800)
            file = write_lines(tmp_path / export / "annotations.jsonl", [exported("a.jpg", asset_id=export)])
            imported(valves, tmp_path / export / "images", file)
        assert sorted((asset.uid, asset.annotations.count()) for asset in valves.assets.all()) == [
            ("one", 1),
            ("two", 1),
        ]


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


class TestFiles:
    def test_a_folder_is_searched_for_lines(self, valves: Dataset, tmp_path: Path) -> None:
        write_lines(tmp_path / "b" / "two.json", [line(id="2")])
        write_lines(tmp_path / "a.jsonl", [line(id="1")])
        write_lines(tmp_path / "notes.txt", [line(id="3")])
        write_lines(tmp_path / ".hidden.jsonl", [line(id="4")])
        (tmp_path / "export.json").write_text("{}")
        imported(valves, annotations=tmp_path)
        assert [row.uid for row in Annotation.objects.order_by("pk")] == ["1", "2"]

    def test_the_tree_of_a_full_export_is_read(self, valves: Dataset, tmp_path: Path) -> None:
        for part, name in (("training", "a"), ("training", "b"), ("validation", "c")):
            write_image(
                tmp_path / part / "images" / f"{name}.jpg", color=f"rgb({ord(name)},0,0)", width=1000, height=800
            )
            write_lines(tmp_path / part / "annotations" / f"{name}.jsonl", [line(f"{name}.jpg", id=name)])
        (tmp_path / "training" / "images" / ".vi" / "0").mkdir(parents=True)
        (tmp_path / "training" / "images" / ".vi" / "0" / "x").touch()
        (tmp_path / "metadata.json").write_text('{"name": "x"}')
        (tmp_path / "classes.json").write_text("[1, 2]")
        outcome = imported(valves, tmp_path, tmp_path)
        assert outcome.problems == []
        assert sorted(asset.filename for asset in valves.assets.all() if asset.annotations.count()) == [
            "a.jpg",
            "b.jpg",
            "c.jpg",
        ]

    @pytest.mark.parametrize("what", ["images", "annotations"])
    def test_nothing_there_is_told(self, valves: Dataset, tmp_path: Path, what: str) -> None:
        for path in (tmp_path / "gone", tmp_path):
            with pytest.raises(NothingThere, match=r"^There (is|are) no .*\.$"):
                import_into(valves, **{what: path}, report=print)  # type: ignore[arg-type]

    def test_files_are_told_by_their_path_below_the_folder(self, valves: Dataset, tmp_path: Path) -> None:
        write_lines(tmp_path / "a" / "b.jsonl", [b"{"])
        [problem] = imported(valves, annotations=tmp_path).problems
        assert problem.startswith("a/b.jsonl:1: ")


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


def test_every_asset_row_says_what_its_image_is(valves: Dataset, tmp_path: Path) -> None:
    path = write_image(tmp_path / "a.jpg", width=640, height=480)
    imported(valves, images=tmp_path)
    asset = Asset.objects.get()
    assert (asset.width, asset.height, asset.size, asset.mime_type) == (640, 480, path.stat().st_size, "image/jpeg")
    assert asset.file.endswith(f"{asset.uid}.jpg")


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
