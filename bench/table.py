"""The figures as a plain text table, and how they grow with the dataset."""

from __future__ import annotations

from statistics import median
from typing import Any

from bench.run import TWICE, TWO_WORKERS

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
    """How much sooner two workers are done than one, and how much two processes that share nothing get done here."""
    walls = {row["name"]: row["wall_measured"] for row in rows}
    if TWICE not in walls:
        return ""
    text = f"Times one: {TWICE} {_times(rows[0]['wall_measured'], walls[TWICE], done=2):.2f}"
    for name, wall in walls.items():
        if name.endswith(TWO_WORKERS):
            text += f"; {name} {_times(walls[name.removesuffix(TWO_WORKERS)], wall):.2f}"
    return text + "\n"


def _times(one: list[float], two: list[float], *, done: int = 1) -> float:
    return median(done * alone / shared for alone, shared in zip(one, two, strict=True))


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
