"""Images become assets: which files of a folder are taken, what is refused, and what is there already."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest
from django.core.files.storage import default_storage

from datasets.imports.importer import import_into
from datasets.models import Asset, Dataset
from tests import cast
from tests.datasets.imports.importing import (
    filenames,
    imported,
    write_image,
)
from vi_portal.jobs.progress import Progress


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

    def test_an_asset_that_gets_its_image_has_changed(self, valves: Dataset, tmp_path: Path) -> None:
        waiting = cast.make_asset(valves, "a.jpg", width=64, height=48)
        before = waiting.updated_at
        write_image(tmp_path / "a.jpg", width=64, height=48)
        assert imported(valves, images=tmp_path).summary.assets.updated == 1
        asset = valves.assets.get()
        assert (asset.pk, bool(asset.file), asset.width) == (waiting.pk, True, 64)
        assert asset.updated_at > before

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


def test_every_asset_row_says_what_its_image_is(valves: Dataset, tmp_path: Path) -> None:
    path = write_image(tmp_path / "a.jpg", width=640, height=480)
    imported(valves, images=tmp_path)
    asset = Asset.objects.get()
    assert (asset.width, asset.height, asset.size, asset.mime_type) == (640, 480, path.stat().st_size, "image/jpeg")
    assert asset.file.endswith(f"{asset.uid}.jpg")
