"""`python -m bench.fetch`: one download by the vendor's client, in a process that may be killed at any moment.

`file URL FILE` fetches the archive and keeps it; what an earlier one left of FILE is gone on with.
`dataset FOLDER` is `annotations.download` as users call it, unpacked; it prints the folder.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path


def main() -> None:
    match sys.argv[1:]:
        case ["file", url, file]:
            from vi.api.resources.datasets.annotations.downloader import AnnotationDownloader

            AnnotationDownloader(show_progress=False)._download_file(url, Path(file))
        case ["dataset", folder]:
            import vi

            client = vi.Client()
            dataset, export = os.environ["DATASET"], os.environ["EXPORT"]
            result = client.annotations.download(
                dataset_id=dataset, dataset_export_id=export, save_dir=folder, show_progress=False
            )
            print(f"\n{result.summary()}", file=sys.stderr)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
