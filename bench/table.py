"""The figures as a plain text table, and how they grow with the dataset."""

from __future__ import annotations

from statistics import median
from typing import Any

from bench.run import TWO_EXPORTS, TWO_WORKERS

_COLUMNS = "{name:<38}{cpu:>9}{cpu_ratio:>8}{wall:>9}{wall_ratio:>8}{rate:>12}{peak:>9}{size:>10}\n"
_HEAD = _COLUMNS.format(
    name="", cpu="CPU s", cpu_ratio="x", wall="wall s", wall_ratio="x", rate="assets/s", peak="peak MB", size="MB"
)


def render(found: dict[str, Any]) -> str:
    """The whole report; x is the ratio to the first row of the same group."""
    before, after = ("/".join(f"{value:.1f}" for value in load) for load in found["load"])
    text = f"{found['machine']}; load {before} before, {after} after; {found['seconds']:.0f} s\n"
    for group in found["groups"]:
        text += f"\n{group['title']}\n{_HEAD}" + "".join(map(_row, group["rows"])) + _sharing(group["rows"])
    return text + _growth(found["groups"])


def _row(row: dict[str, Any]) -> str:
    return _COLUMNS.format(
        name=row["name"],
        cpu=f"{row['cpu']:.3f}",
        cpu_ratio=f"{row['cpu_ratio']:.2f}",
        wall=f"{row['wall']:.3f}",
        wall_ratio=f"{row['wall_ratio']:.2f}",
        rate=f"{row['assets'] / row['cpu']:,.0f}" if row.get("assets") else "",
        peak=f"{row['peak'] / 2**20:.0f}",
        size=f"{row['size'] / 1e6:.1f}" if row.get("size") else "",
    )


def _sharing(rows: list[dict[str, Any]]) -> str:
    """What the second worker brings to one export, and what it brings where each has one: all that it can here.

    From the request to the end; that workers must be there first is no matter of the export.
    """
    took = {row["name"]: row["seconds_measured"] for row in rows}
    text = ""
    for name in (name.removesuffix(TWO_WORKERS) for name in took if name.endswith(TWO_WORKERS)):
        shared = _times(took[name], took[name + TWO_WORKERS])
        apart = 2 * _times(took[name], took[name + TWO_EXPORTS])
        text += f"{name}: two workers are {shared:.2f} times as fast as one; each with an export, {apart:.2f} times.\n"
    return text


def _times(one: list[float], other: list[float]) -> float:
    return median(mine / yours for mine, yours in zip(one, other, strict=True))


def _growth(groups: list[dict[str, Any]]) -> str:
    alike = [group for group in groups if group["rows"][0]["name"] == groups[0]["rows"][0]["name"]]
    alike = [group for group in alike if len(group["rows"]) == len(groups[0]["rows"])]
    if len(alike) < 2:
        return ""
    small, large = alike[0], alike[-1]
    times = large["assets"] / small["assets"]
    text = f"\nFrom {small['assets']:,} to {large['assets']:,} assets, {times:g} times as many\n"
    for ours, theirs in zip(small["rows"], large["rows"], strict=True):
        cpu, peak = (theirs[what] / ours[what] for what in ("cpu", "peak"))
        text += f"{ours['name']:<38}CPU x {cpu:<8.2f}peak x {peak:.2f}\n"
    return text
