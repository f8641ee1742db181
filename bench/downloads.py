"""What it takes to download an archive: `python -m bench.downloads`; `--megabytes 3000` for a large one.

The portal itself exports a dataset whose images do not compress. The archive is then fetched by curl and by the
vendor's client: whole, killed and gone on with, over a wire that breaks, several at once; from the portal, and from
an nginx in front. Every copy is compared with the archive by SHA-256. Meanwhile the web server's memory is watched:
in MB, what its process held before, at most during, and after, and the most it ever held.
"""

from __future__ import annotations

import argparse
import random
import sys
from pathlib import Path

from bench.fresh import fresh_portal

_COLUMNS = "{:<48}{:>8}{:>8}{:>8}{:>8}{:>8}{:>8}{:>8}{:>6}"
_HEAD = ("", "wall s", "MB/s", "breaks", "before", "during", "after", "ever", "same")


def main() -> None:
    asked = _arguments()
    with fresh_portal(parent=asked.folder) as folder:
        same = _measure(asked, folder)
    sys.exit(0 if same else "A copy differs from the archive.")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.downloads", description=__doc__)
    parser.add_argument("--megabytes", type=int, default=50, help="about how large the archive is (50)")
    parser.add_argument("--at-once", type=int, default=4, help="downloads at the same time, in the last row (4)")
    parser.add_argument("--seed", type=int, default=7, help="of the moments at which things break (7)")
    parser.add_argument("--without-nginx", action="store_true", help="only from the portal")
    parser.add_argument("--folder", metavar="DIR", help="where there is room for four times the size")
    return parser.parse_args()


def _measure(asked: argparse.Namespace, folder: Path) -> bool:
    from bench.fetching import Fetching
    from bench.offering import make_archive, running_servers

    archive = make_archive(asked.megabytes)
    size = f"{archive.size / 1e6:,.1f} MB"
    print(f"{size}, exported in {archive.seconds:.1f} s by a worker of {archive.peak / 2**20:.0f} MB", flush=True)
    print(_COLUMNS.format(*_HEAD), flush=True)
    same = True
    with running_servers(archive, folder, nginx=not asked.without_nginx) as servers:
        for server in servers:
            fetching = Fetching(server, archive, folder / "copies", random.Random(asked.seed))
            for row in fetching.every_way(at_once=asked.at_once):
                memory = [f"{each / 2**20:.1f}" for each in row.memory]
                speed = f"{row.fetched / 1e6 / row.seconds:,.0f}"
                cells = (f"{row.seconds:.2f}", speed, row.breaks or "", *memory, "yes" if row.same else "NO")
                print(_COLUMNS.format(f"{server.name}: {row.name}", *cells), flush=True)
                same = same and row.same
    return same


if __name__ == "__main__":
    main()
