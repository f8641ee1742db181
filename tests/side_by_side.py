"""Which tests go together when several programs run them at once (`pytest -n 2`): those of a file, at least.

All that need the portal share one, and what loads TensorFlow loads it once. What takes longest is begun first, so that
at the end no program waits long for another; the tests that kill workers run beside those of the portal.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

#: The beginnings of paths, and what the tests there share; in the order in which they are begun.
TOGETHER = (
    ("tests/e2e/", "the portal"),
    ("tests/sdk/", "the portal"),
    ("tests/services/s3/", "the store"),
    ("tests/services/", "the portal"),
    ("tests/frame/test_supervisor.py", "the supervisor"),
    ("tests/frame/test_faults.py", "faults"),
    ("tests/test_bench.py", "the benchmarks"),
    ("tests/exports/formats/test_vi_tfrecord", "TensorFlow"),
    ("tests/exports/test_images.py", "TensorFlow"),
    ("tests/exports/test_records.py", "TensorFlow"),
    ("tests/exports/test_shards.py", "TensorFlow"),
    ("tests/exports/test_lost_shards.py", "TensorFlow"),
    ("tests/exports/formats/test_vi_full", "the vendor's loader"),
)


def programs() -> int:
    """How many programs run tests: one more than there are processors, for some always wait for what they started."""
    return (os.cpu_count() or 1) + 1


def share(nodeid: str) -> str:
    """What the test of this id shares with others: at least its file."""
    return next((shared for start, shared in TOGETHER if nodeid.startswith(start)), nodeid.partition("::")[0])


def turn(nodeid: str) -> int:
    """Where its turn is, among all of them."""
    return next((n for n, (start, _) in enumerate(TOGETHER) if nodeid.startswith(start)), len(TOGETHER))


class SideBySide(LoadScopeScheduling):  # type: ignore[misc]  # xdist tells no types
    """Gives each program one share after the other, in the order of their turns."""

    def __init__(self, config: pytest.Config, log: Producer) -> None:
        config.option.loadscopereorder = False  # not by the number of tests, which says little about the time
        super().__init__(config, log)

    def add_node_collection(self, node: WorkerController, collection: Sequence[str]) -> None:
        twice = [nodeid for nodeid, times in Counter(collection).items() if times > 1]
        assert not twice, f"Of tests with the same id, only one would run: {twice}"
        super().add_node_collection(node, collection)

    def _split_scope(self, nodeid: str) -> str:
        return share(nodeid)
