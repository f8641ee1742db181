"""What the row of a shard carries: the piece of the plan that is its own.

The holder of the export packs it, and whoever writes the shard unpacks it.
"""

from __future__ import annotations

import uuid
import zlib
from array import array
from typing import Any

from exports.media import IMAGE_UNIT
from exports.models import ExportJob, ExportShard
from exports.planning import Plan
from exports.records import Options
from exports.runs import RunPlan
from exports.sources import Snapshot
from exports.splits import Part


def rows(job: ExportJob, plan: Plan, groups: list[list[RunPlan]], snapshot: Snapshot) -> list[ExportShard]:
    """A row, not yet saved, for each of `groups`, to be written by who sees `snapshot`."""
    assert job.lease_token is not None
    keys = sorted(uuid.uuid4() for _ in groups)  # those of one moment are taken in the order of their keys
    return [
        ExportShard(
            pk=key,
            export=job,
            dataset_id=job.dataset_id,
            export_token=job.lease_token,
            number=number,
            runs=[_packed(run, plan) for run in group],
            ids=zlib.compress(b"".join(_ids(run, plan).tobytes() for run in group), level=1),
            revision=snapshot.revision,
            snapshot=snapshot.identifier,
        )
        for number, (key, group) in enumerate(zip(keys, groups, strict=True))
    ]


def _packed(run: RunPlan, plan: Plan) -> dict[str, Any]:
    steps = run.image_bytes // IMAGE_UNIT + (0 if run.images else len(run))
    packed = {"part": plan.parts[run.part].name, "number": run.number, "of": run.of, "records": len(run)}
    return packed | {"images": run.images, "steps": steps}


def _ids(run: RunPlan, plan: Plan) -> array[int]:
    return plan.parts[run.part].ids[run.start : run.stop]


def snapshot_of(shard: ExportShard) -> Snapshot:
    """How the holder of the export sees the dataset."""
    return Snapshot(shard.revision, shard.snapshot)


def plan_of(shard: ExportShard, options: Options) -> Plan:
    """The plan of the shard: a part for each of its runs, with the ids of that run alone."""
    ids, start = array("q", zlib.decompress(shard.ids)), 0
    parts, runs = [], []
    for place, packed in enumerate(shard.runs):
        stop = start + packed["records"]
        parts.append(Part(packed["part"], ids[start:stop]))
        runs.append(RunPlan(place, packed["number"], packed["of"], 0, packed["records"], packed["images"]))
        start = stop
    return Plan(len(ids), parts, runs, 0, options)
