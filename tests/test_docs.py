"""The documents tell the truth: what they name exists, and what exists is named."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.core.management import get_commands, load_command_class

from exports.formats.vi_tfrecord_features import FEATURES
from exports.registry import FORMATS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
SETTINGS = (ROOT / "vi_portal" / "settings.py").read_text()
ENV_EXAMPLE = (ROOT / ".env.example").read_text()
OURS = {"import_dataset", "seed_demo", "export_dataset", "serve"}


def test_every_format_is_described_and_every_format_described_exists() -> None:
    assert set(re.findall(r"^### .* \(`(\w+)`\)$", README, re.MULTILINE)) == set(FORMATS)


def test_every_setting_is_documented_and_every_setting_documented_exists() -> None:
    read = set(re.findall(r"env(?:\.\w+)?\(\s*\"([A-Z0-9_]+)\"", SETTINGS))
    table = README[README.index("## Settings") :]
    documented = {
        name for row in re.findall(r"^\| (`[A-Z].*?) \|", table, re.MULTILINE) for name in row.split("`")[1::2]
    }
    assert documented == read
    assert set(re.findall(r"^#?([A-Z0-9_]+)=", ENV_EXAMPLE, re.MULTILINE)) == read


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", "ARCHITECTURE.md"])
def test_commands_named_exist(document: str) -> None:
    text = (ROOT / document).read_text()
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"`?make ([a-z]+)\b(?=`| +#|;|,|\n)", text):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"make {target}"
    for command in re.findall(r"manage\.py (\w+)", text):
        assert command in get_commands(), command


def test_options_of_our_commands_named_exist() -> None:
    for command, rest in re.findall(r"manage\.py (\w+)((?:.|\\\n)*?)\n(?:```|$)", README):
        if command in OURS:
            known = (
                load_command_class(get_commands()[command], command).create_parser("manage.py", command).format_help()
            )
            for option in re.findall(r"--[a-z-]+", rest):
                assert option in known, f"{command} {option}"


def test_features_named_exist() -> None:
    named = set(re.findall(r"\b(?:image|phrase|annotation|vqa)/[a-z_/]+", README))
    assert named - {"image/object/bbox"} <= {feature.name for feature in FEATURES}
    assert len(named) > 10


def test_what_the_readme_says_one_sees_is_what_one_is_shown() -> None:
    said = "".join(
        path.read_text().lower()
        for folder, kind in (("exports", "*.py"), ("datasets", "*.py"), ("vi_portal", "*.py"), ("templates", "*.html"))
        for path in (ROOT / folder).rglob(kind)
    )
    table = README.partition("## When something is not as expected")[2].partition("\n## ")[0]
    quoted = re.findall(r"^\| “(.+?)” \|", table, re.MULTILINE)
    for piece in (piece for sentence in quoted for piece in sentence.lower().split(" … ")):
        assert piece in said, piece
    assert len(quoted) > 3


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", "ARCHITECTURE.md"])
def test_files_linked_exist(document: str) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", (ROOT / document).read_text()):
        assert (ROOT / target).exists(), target


def tree() -> dict[str, list[str]]:
    """The names in the tree of ARCHITECTURE.md, by folder."""
    named: dict[str, list[str]] = {}
    folders: list[str] = []
    drawn = (ROOT / "ARCHITECTURE.md").read_text().split("```")[1]
    for line in drawn.strip().splitlines():
        depth, rest = divmod(len(line) - len(line.lstrip()), 2)
        names = re.split(r",\s+", re.split(r"  |(?<!,) ", line.strip())[0])
        if rest or depth > len(folders):
            continue
        folder = "".join(folders[:depth])
        if depth:
            named[folder] += names
        if names[0].endswith("/"):
            folders[depth:] = [names[0]]
            named.setdefault(folder + names[0], [])
    return named


def test_files_of_the_tree_exist() -> None:
    for folder, names in tree().items():
        assert (ROOT / folder).is_dir(), folder
        for name in names:
            found = [ROOT / folder / name, ROOT / folder / f"{name}.py"]
            assert any(path.exists() for path in found), f"{folder}{name}"


@pytest.mark.parametrize(
    "folder",
    [
        *("vi_portal/", "datasets/", "datasets/models/", "datasets/views/", "datasets/api/"),
        *("exports/", "exports/shards/", "exports/sources/"),
    ],
)
def test_modules_that_exist_are_in_the_tree(folder: str) -> None:
    usual = {"__init__", "apps", "urls", "wsgi"}
    modules = {path.stem for path in (ROOT / folder).glob("*.py")} - usual
    assert modules <= {name.removesuffix(".py") for name in tree()[folder]}
