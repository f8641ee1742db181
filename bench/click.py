"""What one person notices: `python -m bench.click`; from a click on Export to Finished on the page, in a real browser.

`manage.py serve` runs over an empty folder with every default. Once its worker has loaded TensorFlow, a browser
opens the dialog of a dataset of 100 assets, clicks, and looks at the new row until it says Finished.

Times are in milliseconds, medians, and the longest of all; they depend on what else the machine does. Where they go:
until the row is there, until a worker has it, until it is finished, and until the page shows it.
"""

from __future__ import annotations

import argparse
import os
import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from bench.fresh import fresh_portal

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from bench.audience import Audience
    from bench.serving import Served

_FORMATS = {"ViJsonl": "Vi JSONL", "ViTfrecord": "TFRecord"}
_STEPS = ("click", "row", "taken", "finished", "shown")
_SETTLED_SECONDS = 2.0
_AT_WORK = 0.2


def main() -> None:
    asked = _arguments()
    with fresh_portal() as folder:
        # The browser's driver runs an event loop in this thread, which also asks the database.
        os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
        _measure(asked, folder)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.click", description=__doc__)
    parser.add_argument("--times", type=int, default=10, help="clicks for each format (10)")
    parser.add_argument("--assets", type=int, default=100, help="in the dataset, ten annotations each (100)")
    parser.add_argument("--idle", type=float, default=20, help="seconds to look at the portal at rest (20)")
    return parser.parse_args()


def _measure(asked: argparse.Namespace, folder: Path) -> None:
    from bench.audience import make_audience
    from bench.serving import serving
    from tests.e2e.portal import running_browser

    audience, load = make_audience(1, assets=asked.assets, ended=0), os.getloadavg()
    row = "{:<12}{:>9}{:>9}" + "{:>16}" * (len(_STEPS) - 1)
    with serving(folder) as served, running_browser() as browser:
        _wait_until_warm(served)
        _tell_rest(served, asked.idle)
        context = browser.new_context(base_url=served.url)
        context.add_cookies([{"name": "sessionid", "value": audience.sessions[0], "url": served.url}])
        page = context.new_page()
        page.goto(audience.history)
        print(row.format("", "median", "longest", "click → row", *(f"→ {step}" for step in _STEPS[2:])), flush=True)
        for name, label in _FORMATS.items():
            _click(page, audience, label)  # the first reads every page and module
            clicks = [_click(page, audience, label) for _ in range(asked.times)]
            totals = [each[-1] - each[0] for each in clicks]
            parts = [median(each[step] - each[step - 1] for each in clicks) for step in range(1, len(_STEPS))]
            print(row.format(name, *(f"{1000 * seconds:,.0f}" for seconds in (median(totals), max(totals), *parts))))
    print(f"Load average before and after: {load[0]:.2f}, {os.getloadavg()[0]:.2f}.")


def _click(page: Page, audience: Audience, label: str) -> list[float]:
    """The moments of `_STEPS`, in seconds of the one clock that all of it runs by."""
    page.get_by_role("main").get_by_role("link", name="Export", exact=True).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("radio", name=re.compile(label)).check()
    dialog.get_by_role("checkbox", name=re.compile("Include images")).uncheck()
    page.wait_for_timeout(1000 * _SETTLED_SECONDS)  # the preview has come, and nothing is under way
    page.evaluate(_WATCH)
    dialog.get_by_role("button", name="Export", exact=True).click()
    deadline = time.monotonic() + 60
    while not page.evaluate("window.shownAt"):  # the page's policy forbids to wait for it in the page
        if time.monotonic() > deadline:
            raise RuntimeError("The page does not show that the export is finished.")
        page.wait_for_timeout(100)
    clicked, shown = page.evaluate("[window.clickedAt / 1000, window.shownAt / 1000]")
    return [clicked, *audience.newest(), shown]


#: Notes the moment of the next click, and the one at which the first row is a new one and finished.
_WATCH = """() => {
    window.clickedAt = window.shownAt = 0;
    const before = document.querySelector("tbody.job")?.id;
    document.addEventListener("click", () => { window.clickedAt = Date.now(); }, {once: true, capture: true});
    const look = () => {
        const first = document.querySelector("tbody.job");
        if (first && first.id !== before && first.textContent.includes("Finished")) {
            window.shownAt = Date.now();
            watcher.disconnect();
        }
    };
    const watcher = new MutationObserver(look);
    watcher.observe(document.body, {subtree: true, childList: true, characterData: true, attributes: true});
}"""


def _wait_until_warm(served: Served) -> None:
    """Until every process that does jobs has TensorFlow."""
    deadline = time.monotonic() + 120
    while len(_warm(served)) < 2 or _share(served.worker, _SETTLED_SECONDS) > _AT_WORK:
        if time.monotonic() > deadline:
            raise RuntimeError("The worker does not load TensorFlow.")
        time.sleep(0.5)


def _share(pids: list[int], seconds: float) -> float:
    """How much of one core these processes take, during so many seconds."""
    from bench.serving import took

    before = took(pids).cpu
    time.sleep(seconds)
    return (took(pids).cpu - before) / seconds


def _warm(served: Served) -> list[int]:

    return [pid for pid in served.worker if "_pywrap_tensorflow" in Path(f"/proc/{pid}/maps").read_text()]


def _tell_rest(served: Served, seconds: float) -> None:
    """What the portal takes while nobody asks anything of it."""
    parts = {"web": served.web, "worker": served.worker, "supervisor": [served.pid]}
    with ThreadPoolExecutor() as looking:
        shares = looking.map(lambda pids: _share(pids, seconds), parts.values())
    told = ", ".join(f"{name} {100 * share:.2f} %" for name, share in zip(parts, shares, strict=True))
    print(f"At rest, of one core: {told}.", flush=True)


if __name__ == "__main__":
    main()
