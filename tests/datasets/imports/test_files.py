"""Where files of lines are looked for, and by which names the account tells of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from datasets.imports.files import NothingThere
from datasets.imports.importer import import_into
from datasets.models import Annotation, Dataset
from tests.datasets.imports.importing import (
    imported,
    line,
    write_image,
    write_lines,
)


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
