"""The benchmark runs, and what it compares is the same work."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


def test_every_row_writes_the_same_assets(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    sizes = ["--assets", "20,40", "--images", "3", "--repeats", "1", "--without-tensorflow"]
    command = [sys.executable, "-m", "bench", *sizes, "--json", str(figures)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    groups = {group["title"]: group["rows"] for group in json.loads(figures.read_text())["groups"]}
    assert list(groups) == ["20 assets", "40 assets", "20 assets, questions and answers", "3 assets with images"]
    for rows in groups.values():
        written = {row["name"]: row["assets"] for row in rows if "size" in row}
        assert len(written) > 1
        assert len(set(written.values())) == 1, written
        assert all(row["cpu"] > 0 and row["peak"] > 0 for row in rows)
    assert "From 20 to 40 assets, 2 times as many" in done.stdout


def test_every_way_of_downloading_gives_the_whole_archive() -> None:
    sizes = ["--megabytes", "1", "--at-once", "2", "--without-nginx"]
    done = subprocess.run(
        [sys.executable, "-m", "bench.downloads", *sizes], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    rows = [line for line in done.stdout.splitlines() if line.startswith("portal: ")]
    assert len(rows) == 8
    assert all(row.endswith(" yes") for row in rows), done.stdout


def test_a_crowd_is_measured() -> None:
    few = ["--people", "2", "--exports", "1", "--downloads", "1", "--seconds", "2", "--assets", "20"]
    few.append("--without-tensorflow")
    done = subprocess.run([sys.executable, "-m", "bench.crowd", *few], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Errors: 0." in done.stdout
    assert "Exports: 0 finished" not in done.stdout
