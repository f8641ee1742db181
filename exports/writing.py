"""Runs into an archive: what a worker on an export does, whether alone or one of several."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from exports.media import Media, Sink
from exports.planning import Plan
from exports.receipt import Receipt
from exports.records import Member, Record, Run
from exports.runs import RunPlan
from exports.sources import Source
from vi_portal.jobs.lease import Told

#: The watch is told of records this often: to tell it of each would take longer than to write some.
_TELLING_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Writing:
    """Takes the members of each run from source and encoder to the `sink`, and tells the receipt."""

    plan: Plan
    source: Source
    receipt: Receipt
    sink: Sink
    watch: Told

    def write_run(self, planned: RunPlan) -> None:
        """The records of the run, or the images beside them."""
        spec, part = self.source.spec, self.plan.parts[planned.part]
        encoding, told = spec.encoding, self.receipt.part(part.name)
        ids = part.ids[planned.start : planned.stop]
        run = Run(encoding.folder(part.name), planned.number, planned.of, ())
        media = Media(self.source, self.sink, self.receipt, self.watch)
        if planned.images:
            media.write_beside(ids, run, told)
            return
        records = media.pair(ids, run, told) if encoding.paired else self.source.reader.records(ids, told)
        self.write_members(encoding.encode(replace(run, records=self._watched(records)), self.plan.options))

    def write_members(self, members: Iterable[Member]) -> None:
        for member in members:
            self.receipt.wrote_member(self.sink.add(member))

    def _watched(self, records: Iterable[Record]) -> Iterator[Record]:
        pending, told = 0, time.monotonic()
        for record in records:
            yield record
            pending += 1
            if time.monotonic() - told >= _TELLING_SECONDS:
                self.watch.advance(pending)
                pending, told = 0, time.monotonic()
        self.watch.advance(pending)
