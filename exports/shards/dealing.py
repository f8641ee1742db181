"""The runs of an export dealt out: which of them make a shard."""

from __future__ import annotations

from itertools import groupby

from django.conf import settings

from exports.planning import Plan
from exports.runs import RunPlan

#: So many bytes of images are a shard's worth: they pass over the disk of who writes it.
BYTES_A_SHARD = 512 * 1024 * 1024
#: What is left is dealt into at least so many, where runs are short enough.
_SHARDS_LEFT = 4
#: As long as there are twice as many, shards may be larger than asked for, up to so many times.
_MOST_TIMES = 4


def is_large(plan: Plan) -> bool:
    """Whether there is more than one shard's worth."""
    return plan.records > settings.EXPORT_SHARD_RECORDS or plan.image_bytes > BYTES_A_SHARD


def deal(plan: Plan) -> list[list[RunPlan]]:
    """The runs in the order of the archive, in groups of about EXPORT_SHARD_RECORDS records: of up to _MOST_TIMES as
    many while much is left, because each costs something of its own, and of fewer towards the end, so that no worker is
    at a large one when the others have finished.

    No group has more than BYTES_A_SHARD of images, unless a single run has. Images beside the records are groups of
    their own: on one disk, the holder writes them, for nobody does it quicker.
    """
    dealt: list[list[RunPlan]] = []
    for _, alike in groupby(plan.runs, key=lambda run: run.images):
        runs = list(alike)
        left = sum(map(len, runs))
        group: list[RunPlan] = []
        for run in runs:
            if group and _is_too_much([*group, run], left):
                dealt.append(group)
                left -= sum(map(len, group))
                group = []
            group.append(run)
        dealt.append(group)
    return dealt


def _is_too_much(group: list[RunPlan], left: int) -> bool:
    """Whether `group` is more than a shard's worth, `left` records being left for it and those that follow."""
    asked = settings.EXPORT_SHARD_RECORDS
    limit = min(max(asked, left // (2 * _SHARDS_LEFT)), _MOST_TIMES * asked, left // _SHARDS_LEFT)
    return sum(map(len, group)) > limit or sum(run.image_bytes for run in group) > BYTES_A_SHARD
