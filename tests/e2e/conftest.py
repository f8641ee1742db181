"""The whole portal as `make run` starts it, with the demo and a real dataset, and a real browser in front."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

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


@dataclass(frozen=True)
class Portal:
    """A running portal: its address, its folder, the process that supervises it."""

    url: str
    folder: Path
    process: subprocess.Popen[str]

    def manage(self, *arguments: str) -> str:
        """What `manage.py` prints for `arguments`."""
        return _manage(self.folder, *arguments)

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


@pytest.fixture(scope="package")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    folder = tmp_path_factory.mktemp("portal")
    _manage(folder, "migrate", "--verbosity", "0")
    _manage(folder, "collectstatic", "--no-input", "--verbosity", "0")
    _manage(folder, "seed_demo", "--password", PASSWORD)
    for kind, name in (("phrase-grounding", "BCCD"), ("vqa", "BCCD questions")):
        file = BCCD / ("phrase_grounding.jsonl" if kind == "phrase-grounding" else "vqa.jsonl")
        arguments = ["--name", name, "--type", kind, "--images", str(BCCD / "images"), "--annotations", str(file)]
        _manage(folder, "import_dataset", *arguments)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with (folder / "serve.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "serve"],
            cwd=ROOT,
            env=_environment(folder) | {"PORT": str(port)},
            stdout=log,
            stderr=subprocess.STDOUT,
            text=True,
        )
    running = Portal(f"http://127.0.0.1:{port}", folder, process)
    try:
        _wait_until_well(running)
        yield running
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    executable = os.environ.get("CHROMIUM") or next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=executable, args=CHROMIUM_OPTIONS)
        yield launched
        launched.close()


@pytest.fixture
def page(browser: Browser, portal: Portal) -> Iterator[Page]:
    """A page signed in as Ana, at the Explorer. A script error or a refused resource fails the test."""
    yield from _signed_in(browser.new_context(base_url=portal.url, viewport={"width": 1280, "height": 900}))


@pytest.fixture
def plain_page(browser: Browser, portal: Portal) -> Iterator[Page]:
    """The same without JavaScript."""
    yield from _signed_in(browser.new_context(base_url=portal.url, java_script_enabled=False))


def _signed_in(context: BrowserContext) -> Iterator[Page]:
    page = context.new_page()
    page.set_default_timeout(10_000)
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto("/")
    page.get_by_label("User name").fill("ana")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Explorer")
    yield page
    context.close()
    assert complaints == []


def _environment(folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")}
    return kept | {"DATA_DIR": str(folder), "HTTPS": "off", "JOB_SWEEP_SECONDS": "1", "TENSORFLOW_WARM_UP": "off"}


def _manage(folder: Path, *arguments: str) -> str:
    run = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=_environment(folder),
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def _wait_until_well(portal: Portal) -> None:
    deadline = time.monotonic() + 60
    while not _is_well(portal):
        log = (portal.folder / "serve.log").read_text()
        assert portal.process.poll() is None, log
        assert time.monotonic() < deadline, log
        time.sleep(0.1)


def _is_well(portal: Portal) -> bool:
    try:
        with urllib.request.urlopen(f"{portal.url}/healthz", timeout=10):
            return True
    except OSError:
        return False
