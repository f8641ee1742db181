"""The whole portal as `make run` starts it, with its demo, and a real browser in front.

Where DATABASE_URL names a PostgreSQL for the tests, the portal has a database of its own there; else SQLite. It has
a broker of its own as well, where CELERY_BROKER_URL names a server.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
from playwright.sync_api import Browser, Page, sync_playwright

from tests.waiting import free_port, wait_until_up

ROOT = Path(__file__).parents[2]
BCCD = ROOT / "tests" / "data" / "bccd"
PASSWORD = "a long enough sentence"
CHROMIUM_OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
]


class Commands:
    """A program that runs commands of `manage.py`; started by `_commands`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def run(self, *arguments: str) -> str:
        """What `manage.py` prints for `arguments`; it must go well."""
        asked, answers = self._process.stdin, self._process.stdout
        assert asked is not None
        assert answers is not None
        asked.write(json.dumps(arguments) + "\n")
        asked.flush()
        answer = answers.readline()
        assert answer, "The program ended; what it printed says why."
        well, printed, complained = json.loads(answer)
        assert well, complained
        return str(printed)


@dataclass(frozen=True)
class Portal:
    """A running portal: its address, its folder, the process that supervises it, and one beside it for commands."""

    url: str
    folder: Path
    process: subprocess.Popen[str]
    commands: Commands

    def manage(self, *arguments: str) -> str:
        """What `manage.py` prints for `arguments`."""
        return self.commands.run(*arguments)

    def import_bccd(self) -> None:
        """A real dataset, twice: 364 assets with boxes, and with questions; a few of them with their image."""
        for kind, name, file in (
            ("phrase-grounding", "BCCD", "phrase_grounding.jsonl"),
            ("vqa", "BCCD questions", "vqa.jsonl"),
        ):
            files = ("--images", str(BCCD / "images"), "--annotations", str(BCCD / file))
            self.manage("import_dataset", "--name", name, "--type", kind, *files)

    def children(self, word: str) -> list[int]:
        """The ids of the portal's processes whose command line has `word`."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                environment = (entry / "environ").read_bytes()
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if f"DATA_DIR={self.folder}".encode() in environment and word in command:
                found.append(int(entry.name))
        return found


@contextmanager
def running_portal(folder: Path) -> Iterator[Portal]:
    """A portal with the demo in it, over an empty folder, for as long as the block runs."""
    with _own_database(folder), _commands(folder) as commands:
        commands.run("migrate", "--verbosity", "0")
        commands.run("collectstatic", "--no-input", "--verbosity", "0")
        commands.run("seed_demo", "--password", PASSWORD)
        with _served(folder) as (url, process):
            yield Portal(url, folder, process, commands)


@contextmanager
def _commands(folder: Path) -> Iterator[Commands]:
    """One program for all commands over the portal in `folder`: to start Django costs more than most of them."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.e2e.commands"],
        cwd=ROOT,
        env=environment(folder),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Commands(process)


@contextmanager
def _served(folder: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The address at which the portal in `folder` answers, and its process."""
    port = free_port()
    with (folder / "serve.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "serve"],
            cwd=ROOT,
            env=environment(folder) | {"PORT": str(port)},
            stdout=log,
            stderr=subprocess.STDOUT,
            text=True,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until_up(process, lambda: _is_well(url), within=60, log=folder / "serve.log")
        yield url, process
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)


@contextmanager
def running_browser() -> Iterator[Browser]:
    """A headless Chromium: the one $CHROMIUM names, one on the PATH, or Playwright's own."""
    executable = os.environ.get("CHROMIUM") or next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=executable, args=CHROMIUM_OPTIONS)
        yield launched
        launched.close()


def sign_in(page: Page) -> None:
    """As Ana, at the page that asks for it."""
    page.goto("/")
    page.get_by_label("User name").fill("ana")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


@contextmanager
def _own_database(folder: Path) -> Iterator[None]:
    """On PostgreSQL, a database for the portal in `folder`, for as long as the block runs."""
    own = _own_address(folder)
    if not own:
        yield
        return
    name = urlsplit(own).path.lstrip("/")
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}".encode())
        try:
            yield
        finally:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def _own_address(folder: Path) -> str:
    """The database of the portal in `folder`, as a URL; empty for the SQLite that is the default."""
    server = urlsplit(os.environ.get("DATABASE_URL", ""))
    if not server.scheme.startswith("postgres"):
        return ""
    name = f"portal_{hashlib.blake2b(str(folder).encode(), digest_size=6).hexdigest()}"
    return urlunsplit(server._replace(path=f"/{name}"))


def environment(folder: Path) -> dict[str, str]:
    """What the programs of the portal in `folder` are started with."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")}
    if address := _own_address(folder):
        kept["DATABASE_URL"] = address
    if broker := os.environ.get("PORTAL_BROKER_URL"):
        kept["CELERY_BROKER_URL"] = broker
    return kept | {"DATA_DIR": str(folder), "HTTPS": "off", "JOB_SWEEP_SECONDS": "1", "TENSORFLOW_WARM_UP": "off"}


def _is_well(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/healthz", timeout=10):
            return True
    except OSError:
        return False
