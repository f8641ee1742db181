"""The vendor's client, unzipping and loading exports in a program of its own: it knows another package `datasets`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

#: Loads a folder, and unzips an archive into it first where there is one. What it found is by split.
Loader: TypeAlias = Callable[[Path, Path | None], dict[str, Any]]

_PROGRAM = """
import contextlib, json, sys
from pathlib import Path
from msgspec import to_builtins
from vi.api.resources.datasets.downloader import DatasetDownloader
from vi.dataset.loaders import ViDataset
client = DatasetDownloader.__new__(DatasetDownloader)
client._show_progress = False
for request in sys.stdin:
    folder, archive = json.loads(request)
    with contextlib.redirect_stdout(sys.stderr):
        if archive:
            client._extract_archive(Path(archive), Path(folder))
        dataset = ViDataset(folder)
        found = {}
        for name, counts in dataset.info().splits.items():
            split = getattr(dataset, name)
            pairs = [[to_builtins(asset), to_builtins(annotations)] for asset, annotations in split.iter_pairs()]
            drawn = [image.size for image in split.visualize()]
            found[name] = {"assets": counts.assets, "annotations": counts.annotations, "pairs": pairs, "drawn": drawn}
        assert len(list(dataset)) == len(dataset)
    print(json.dumps(found), flush=True)
"""


@contextmanager
def vi_loader(home: Path) -> Iterator[Loader]:
    """A running loader; it keeps its logs in `home`."""
    with subprocess.Popen(
        [sys.executable, "-c", _PROGRAM],
        cwd=home,
        env={"HOME": str(home), "PATH": os.environ["PATH"], "HF_HUB_OFFLINE": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as program:
        to, back = program.stdin, program.stdout
        assert to is not None
        assert back is not None

        def load(folder: Path, archive: Path | None) -> dict[str, Any]:
            to.write(json.dumps([str(folder), str(archive or "")]) + "\n")
            to.flush()
            answer = back.readline()
            assert answer, "The loader failed; what it printed says why."
            found: dict[str, Any] = json.loads(answer)
            return found

        yield load


def paired(split: dict[str, Any]) -> dict[str, Any]:
    """The only annotation of each image by the image's file name; both say the same name, or it is not a pair."""
    found = {}
    for asset, [annotation] in split["pairs"]:
        for key in ("filename", "width", "height"):
            assert annotation["asset"][key] == asset[key]
        found[asset["filename"]] = annotation
    assert len(found) == len(split["drawn"]) == split["assets"] == split["annotations"]
    return found
