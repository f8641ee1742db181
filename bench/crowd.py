"""What a crowd notices: `python -m bench.crowd`; 50 people, 20 exports, 5 downloads, for a minute.

`manage.py serve` runs over an empty folder with every default: SQLite, a broker of files, the worker beside the web
server. People have the job history open, which asks for itself as the page says; so many exports as asked for are
active all the time, in both formats; an archive is fetched again and again at a megabyte a second.

Times are until the last byte, in milliseconds, and depend on what else the machine does: see its load. The CPU time
of the web server for each request does not.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bench.fresh import fresh_portal

if TYPE_CHECKING:
    from bench.people import Person, Seen
    from bench.serving import Served

_FORMATS = ("ViJsonl", "ViTfrecord")
_RATE = 1_000_000
_PATIENCE = 120.0


def main() -> None:
    asked = _arguments()
    with fresh_portal() as folder:
        well = _measure(asked, folder)
    sys.exit(0 if well else "Something went wrong.")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.crowd", description=__doc__)
    parser.add_argument("--people", type=int, default=50, help="who have the history open (50)")
    parser.add_argument("--exports", type=int, default=20, help="exports that run or wait at any time (20)")
    parser.add_argument("--downloads", type=int, default=5, help="downloads at the same time (5)")
    parser.add_argument("--seconds", type=float, default=60, help="for how long (60)")
    parser.add_argument("--assets", type=int, default=3_000, help="in the dataset, ten annotations each (3000)")
    parser.add_argument("--without-tensorflow", action="store_true", help="no exports as TFRecord")
    return parser.parse_args()


def _measure(asked: argparse.Namespace, folder: Path) -> bool:
    from bench.audience import make_audience
    from bench.people import Seen
    from bench.serving import serving, took

    formats = _FORMATS[:1] if asked.without_tensorflow else _FORMATS
    audience, seen, is_over = make_audience(asked.people, assets=asked.assets), Seen(), threading.Event()
    with serving(folder, TENSORFLOW_WARM_UP="off" if asked.without_tensorflow else "on") as served:
        people = audience.people(served.url, seen, is_over)
        links = audience.archives(people[: asked.downloads], formats[-1])
        fetching = [
            threading.Thread(target=_download, args=(person, link, is_over))
            for person, link in zip(people, links, strict=False)
        ]
        passed = len(served.log.read_text())
        looking = [threading.Thread(target=each.look) for each in people]
        load, before, began = os.getloadavg(), _cpu(served), time.monotonic()
        for thread in (*looking, *fetching):
            thread.start()
        while time.monotonic() - began < asked.seconds:
            _keep_up(audience.active(), asked.exports, people, formats)
            time.sleep(0.5)
        after, lasted = _cpu(served), time.monotonic() - began
        is_over.set()
        for thread in (*looking, *fetching):
            thread.join()
        outcomes = audience.wait_for_exports(_PATIENCE)
        spent = {name: after[name] - before[name] for name in before}
        memory = {"web": took(served.web).peak, "worker": took(served.worker).peak}
        log = served.log.read_text()[passed:]
    _print(seen, spent, lasted, memory)
    print(f"Exports: {', '.join(f'{count} {state}' for state, count in outcomes.items())}.")
    print(f"Load average before and after: {load[0]:.2f}, {os.getloadavg()[0]:.2f}.")
    return _print_troubles(seen, log) and set(outcomes) == {"finished"}


def _download(person: Person, link: str, is_over: threading.Event) -> None:
    while not is_over.is_set():
        person.browser.fetch("download", link, rate=_RATE, is_over=is_over.is_set)


def _keep_up(active: int, wanted: int, people: list[Person], formats: tuple[str, ...]) -> None:
    """Have somebody ask for each export that is missing."""
    asked = sum(len(each.wanted) for each in people)
    for number in range(wanted - active - asked):
        random.choice(people).wanted.append(formats[number % len(formats)])


def _cpu(served: Served) -> dict[str, float]:
    from bench.serving import took

    own = os.times()
    return {
        "web": took(served.web).cpu,
        "worker": took(served.worker).cpu,
        "these people": own.user + own.system,
    }


def _print(seen: Seen, spent: dict[str, float], lasted: float, memory: dict[str, int]) -> None:
    row = "{:<12}{:>10}{:>8}{:>10}{:>10}{:>10}   {}"
    print(row.format("", "requests", "a s", "p50 ms", "p95 ms", "max ms", "answers"))
    for kind, seconds in sorted(seen.seconds.items()):
        ordered = sorted(seconds)
        cells = [f"{1000 * ordered[int(share * (len(ordered) - 1))]:,.0f}" for share in (0.5, 0.95, 1)]
        answers = ", ".join(f"{n} × {status}" for (of, status), n in sorted(seen.statuses.items()) if of == kind)
        print(row.format(kind, len(ordered), f"{len(ordered) / lasted:.1f}", *cells, answers))
    requests = sum(len(seconds) for kind, seconds in seen.seconds.items() if kind != "download")
    print(f"\nCPU of the web server: {1000 * spent['web'] / requests:.1f} ms a request.")
    shares = ", ".join(f"{name} {100 * seconds / lasted:.0f} %" for name, seconds in spent.items())
    print(f"CPU, of one core: {shares}.")
    print("Peak memory: " + ", ".join(f"{name} {size / 2**20:.0f} MB" for name, size in memory.items()) + ".")


def _print_troubles(seen: Seen, log: str) -> bool:
    """Whether there were none."""
    bad = [line for line in log.splitlines() if "locked" in line or " ERROR " in line]
    print(f"Errors: {len(seen.wrong)}. Lines in the log that are errors or tell of a locked database: {len(bad)}.")
    for line in [*seen.wrong[:10], *bad[:10]]:
        print(f"  {line}")
    return not seen.wrong and not bad


if __name__ == "__main__":
    main()
