"""Finding the files to read below the folders that were named. No Django."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from datasets.image_types import EXTENSIONS

_ANNOTATION_EXTENSIONS = {".jsonl", ".json"}
#: What lies beside annotations in archives, and is none.
_OTHER_DOCUMENTS = {"export.json", "features.json", "metadata.json"}
_PARTS = ("dump", "training", "validation")


class NothingThere(ValueError):
    """There is no such file or folder, or nothing to read in it; the message is a sentence."""


LEADS_OUT = "It is a link that leads out of the folder, so it is not read. Put the file itself there."


class FoundFile(NamedTuple):
    """A file below a folder that was named."""

    folder: Path
    relative: str

    @property
    def path(self) -> Path:
        return self.folder / self.relative

    @property
    def name(self) -> str:
        """The path below the folder, with slashes, always proper text."""
        return os.fsencode(self.relative).decode("utf-8", "replace")

    @property
    def leads_out(self) -> bool:
        """Whether it is a link to something outside the folder, which nobody asked to have read."""
        return self.path.is_symlink() and not self.path.resolve().is_relative_to(self.folder.resolve())

    @property
    def leads_nowhere(self) -> bool:
        """Whether it is a link to what does not exist."""
        return self.path.is_symlink() and not self.path.exists()

    @property
    def extension(self) -> str:
        return PurePosixPath(self.relative).suffix.lower()


def image_files(folder: Path) -> list[FoundFile]:
    """The files below `folder` whose names are those of images, by path; hidden ones left out."""
    if not folder.is_dir():
        raise NothingThere(f"There is no folder {folder}.")
    found = [file for file in _walk(folder) if file.extension in EXTENSIONS]
    if not found:
        raise NothingThere(f"There are no images in {folder}.")
    return found


def annotation_files(path: Path) -> list[FoundFile]:
    """The annotation files at `path`: itself, or those below it.

    Of a tree with the parts `dump`, `training` or `validation` (Vi's full export), only what is in their
    `annotations` folders counts.
    """
    if path.is_file():
        return [FoundFile(path.parent, path.name)]
    if not path.is_dir():
        raise NothingThere(f"There is no file or folder {path}.")
    found = [file for file in _walk(path) if file.extension in _ANNOTATION_EXTENSIONS and not _is_other_document(file)]
    folders = tuple(f"{part}/annotations/" for part in _PARTS if (path / part / "annotations").is_dir())
    if folders:
        found = [file for file in found if file.name.startswith(folders)]
    if not found:
        raise NothingThere(f"There are no .jsonl or .json files in {path}.")
    return found


def other_documents(files: Sequence[FoundFile]) -> list[FoundFile]:
    """Those of `files` that came along with the annotations of an archive; none where there is nothing else."""
    found = [file for file in files if _is_other_document(file)]
    return found if len(found) < len(files) else []


def _is_other_document(file: FoundFile) -> bool:
    return PurePosixPath(file.relative).name in _OTHER_DOCUMENTS


def _refuse(error: OSError) -> None:
    """Nobody would miss what is in a folder that was passed over."""
    raise NothingThere(
        f"The folder {error.filename} cannot be read: {error.strerror}. Make it readable, or move it elsewhere."
    ) from error


def _walk(folder: Path) -> Iterator[FoundFile]:
    """Every regular file below `folder` by path, hidden names left out."""
    found = []
    for parent, folders, filenames in os.walk(folder, onerror=_refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        below = Path(parent).relative_to(folder).as_posix()
        prefix = "" if below == "." else f"{below}/"
        found += [f"{prefix}{name}" for name in filenames if not name.startswith(".")]
    for relative in sorted(found):
        file = FoundFile(folder, relative)
        if file.path.is_file() or file.leads_nowhere:
            yield file
