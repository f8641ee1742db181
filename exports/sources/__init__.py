"""From rows to Records: the only stage that knows the database.

A `Source` is a dataset at one moment, which is a `Snapshot` where others are to see the same. The plan asks its
`selection` which assets there are, and the label `vocabulary`; the writing asks its reader for their records and
images. The reader lets the database put the annotations together (`assembly`), some assets a query; no model
instances are made. Only annotations that need it are read one by one (`repairs`).
"""

from exports.sources.snapshots import Snapshot, SnapshotGone
from exports.sources.source import Source

__all__ = ["Snapshot", "SnapshotGone", "Source"]
