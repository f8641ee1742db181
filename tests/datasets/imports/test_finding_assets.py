"""Which asset a line speaks of, by its id, its name or its path; and what it brings along."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from datasets.models import Dataset
from tests import cast
from tests.datasets.imports.importing import (
    exported,
    filenames,
    imported,
    imported_lines,
    line,
    write_image,
    write_lines,
)


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
