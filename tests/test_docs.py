"""The documents tell the truth: what they name exists, and what exists is named."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import pytest
from django.core.management import get_commands, load_command_class

from exports.formats.vi_tfrecord_features import FEATURES
from exports.registry import FORMATS

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted(str(path.relative_to(ROOT)) for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")))
README = (ROOT / "README.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()
SETTINGS = (ROOT / "vi_portal" / "settings.py").read_text()
ENV_EXAMPLE = (ROOT / ".env.example").read_text()
OURS = {"import_dataset", "seed_demo", "export_dataset", "serve"}
#: Programs that a measurement starts; `make bench` is the other.
STARTED_BY_OTHERS = {"fetch", "__main__"}
#: Folders of which the tree says what they are for, with all below them, and names no module.
AS_A_WHOLE = {
    *("vi_portal/jobs/", "exports/formats/", "datasets/templatetags/"),
    *("datasets/api/schemas/", "datasets/demo/", "datasets/imports/", "datasets/uploads/"),
}


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


def code(document: str) -> list[str]:
    """What `document` shows as code: lines of blocks, and spans; a command over several lines is one."""
    text = (ROOT / document).read_text().replace("\\\n", " ")
    blocks = re.findall(r"^```.*?\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))
    return [*(line.strip() for block in blocks for line in block.splitlines()), *spans]


def commands(document: str) -> list[tuple[str, str]]:
    """The commands of `manage.py` in `document`, each with the rest of its line; administrators write `portal`."""
    return [found for shown in code(document) for found in re.findall(r"(?:manage\.py|^portal) (\w+)(.*)", shown)]


def test_all_documents_are_looked_at() -> None:
    assert set(DOCUMENTS) >= {"README.md", "CONTRIBUTING.md", "ARCHITECTURE.md", "docs/administration.md"}
    assert all(map(code, DOCUMENTS))


@pytest.mark.parametrize("document", DOCUMENTS)
def test_commands_named_exist(document: str) -> None:
    for shown in code(document):
        for target in re.findall(r"^make ([a-z][a-z-]*)", shown):
            assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE), shown
        for module in re.findall(r"python3? -m ([\w.]+)", shown):
            assert is_a_program(module), shown
    for command, _ in commands(document):
        assert command in get_commands(), command


def is_a_program(module: str) -> bool:
    spec = find_spec(module)
    if spec is not None and spec.submodule_search_locations:
        spec = find_spec(f"{module}.__main__")
    return (
        spec is not None
        and spec.origin is not None
        and "__main__" in Path(spec.origin).stem + Path(spec.origin).read_text()
    )


def test_every_command_of_who_works_on_it_is_named() -> None:
    """What `make` offers, and the measurements beside `make bench`."""
    shown = "\n".join(code("CONTRIBUTING.md"))
    targets = set(re.findall(r"^([a-z-]+):.*## ", MAKEFILE, re.MULTILINE)) - {"help"}
    assert targets - set(re.findall(r"^make ([a-z-]+)", shown, re.MULTILINE)) == set()
    programs = {path.stem for path in (ROOT / "bench").glob("*.py") if is_a_program(f"bench.{path.stem}")}
    assert {each for each in programs - STARTED_BY_OTHERS if f"-m bench.{each}" not in shown} == set()


def test_options_of_our_commands_named_exist() -> None:
    looked_at = 0
    for command, rest in [each for document in DOCUMENTS for each in commands(document) if each[0] in OURS]:
        known = load_command_class(get_commands()[command], command).create_parser("manage.py", command).format_help()
        for option in re.findall(r"--[a-z-]+", rest):
            assert re.search(rf"{option}\b(?!-)", known), f"{command} {option}"
            looked_at += 1
    assert looked_at > 5


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


def headings(document: Path) -> set[str]:
    """By the names that links give them."""
    titles = re.findall(r"^#+ (.*)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_files_and_headings_linked_exist(document: str) -> None:
    for target, heading in re.findall(r"\]\(([^)#:]*)(?:#([^)]+))?\)", (ROOT / document).read_text()):
        linked = (ROOT / document).parent / target if target else ROOT / document
        assert linked.exists(), target
        assert not heading or heading in headings(linked), f"{target}#{heading}"


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


def packages() -> list[str]:
    """The folders with code of ours, but for what Django lays down: `exports/shards/`."""
    found = [path.parent for app in ("vi_portal", "datasets", "exports") for path in (ROOT / app).rglob("__init__.py")]
    laid_down = {"migrations", "management", "commands"}
    folders = sorted(f"{path.relative_to(ROOT)}/" for path in found if not laid_down & set(path.parts))
    return [each for each in folders if not any(each.startswith(whole) and each != whole for whole in AS_A_WHOLE)]


@pytest.mark.parametrize("folder", packages())
def test_modules_that_exist_are_in_the_tree(folder: str) -> None:
    usual = {"__init__", "apps", "urls", "wsgi"}
    modules = {path.stem for path in (ROOT / folder).glob("*.py")} - usual
    named = {name.removesuffix(".py") for name in tree()[folder]}
    assert named == set() if folder in AS_A_WHOLE else modules <= named
