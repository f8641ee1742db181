"""`python -m bench`: make the datasets, let the variants take turns, print the table."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


def main() -> None:
    asked = _arguments()
    with _data_dir(asked.data_dir) as folder:
        os.environ |= {
            "DATA_DIR": folder,
            "DATABASE_URL": f"sqlite:///{folder}/bench.sqlite3",
            "DJANGO_SETTINGS_MODULE": "vi_portal.settings",
        }
        import django

        django.setup()
        logging.disable(logging.INFO)
        from bench import table
        from bench.run import run

        found = run(
            sizes=asked.assets,
            repeats=asked.repeats,
            images=asked.images,
            tensorflow=not asked.without_tensorflow,
            deadline=time.monotonic() + asked.seconds,
            tell=_teller(sys.stderr.isatty()),
        )
    print(table.render(found))
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=1) + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=sys.modules["bench"].__doc__)
    sizes = "dataset sizes, as 2000,20000: more than one shows the growth (2000,10000)"
    parser.add_argument("--assets", type=_sizes, default=[2_000, 10_000], help=sizes)
    parser.add_argument("--repeats", type=int, default=3, help="measurements of each row (3)")
    parser.add_argument("--images", type=int, default=500, help="assets that have an image file; 0 for none (500)")
    parser.add_argument("--without-tensorflow", action="store_true", help="leave the TFRecord rows out")
    parser.add_argument("--seconds", type=float, default=120, help="begin no other repeat after this long (120)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure to FILE as well")
    parser.add_argument("--data-dir", metavar="DIR", help="keep the datasets here, and use those that are here")
    return parser.parse_args()


def _sizes(text: str) -> list[int]:
    return sorted(int(part) for part in text.split(","))


@contextmanager
def _data_dir(kept: str | None) -> Iterator[str]:
    if kept:
        yield str(Path(kept).resolve())
        return
    with tempfile.TemporaryDirectory(prefix="vi-portal-bench-") as folder:
        yield folder


def _teller(terminal: bool) -> Callable[[str], None]:
    def tell(text: str) -> None:
        if terminal:
            print(f"\r\x1b[K{text}", end="" if text else "\r", file=sys.stderr, flush=True)

    return tell


if __name__ == "__main__":
    main()
