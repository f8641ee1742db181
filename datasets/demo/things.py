"""The kinds of things there are in the workshop: their words, their colors, where they may be. No Django."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Literal, TypeAlias

from PIL import Image

from datasets.demo import standing_things, wall_things
from datasets.demo.brush import Color, rgb

Painter: TypeAlias = Callable[[float, Color, Random], Image.Image]
Surface: TypeAlias = Literal["wall", "shelf", "workbench"]

COLORS: dict[str, Color] = {
    "red": rgb("#d5443c"),
    "blue": rgb("#2f6fc4"),
    "green": rgb("#3c9a5f"),
    "yellow": rgb("#ecb92b"),
    "orange": rgb("#e67a2e"),
    "white": rgb("#f2efe8"),
    "purple": rgb("#7d55b8"),
}


@dataclass(frozen=True, slots=True)
class Thing:
    """A kind of thing. `colors` are those it comes in by name; one without them is always in its `own_color`."""

    singular: str
    plural: str
    paint: Painter
    surfaces: tuple[Surface, ...]
    scale: float
    colors: tuple[str, ...] = ()
    own_color: Color = (0, 0, 0)


THINGS: tuple[Thing, ...] = (
    Thing("valve", "valves", wall_things.valve, ("wall",), 0.9, ("red", "blue", "yellow", "green")),
    Thing("gauge", "gauges", wall_things.gauge, ("wall",), 0.82, own_color=rgb("#6d7784")),
    Thing("clock", "clocks", wall_things.clock, ("wall",), 0.8, ("white", "red", "blue")),
    Thing("window", "windows", wall_things.window, ("wall",), 1.3, own_color=rgb("#efe9dc")),
    Thing("cardboard box", "cardboard boxes", standing_things.crate, ("shelf", "workbench"), 0.8),
    Thing("mug", "mugs", standing_things.mug, ("shelf", "workbench"), 0.55, ("white", "green", "orange", "blue")),
    Thing("plant", "plants", standing_things.plant, ("shelf", "workbench"), 0.66, own_color=rgb("#c06a45")),
    Thing("lamp", "lamps", standing_things.lamp, ("workbench",), 0.88, ("yellow", "green", "purple")),
    Thing("toolbox", "toolboxes", standing_things.toolbox, ("shelf", "workbench"), 0.75, ("red", "blue", "orange")),
    Thing("bottle", "bottles", standing_things.bottle, ("shelf", "workbench"), 0.62, ("green", "blue", "orange")),
    Thing(
        "fire extinguisher",
        "fire extinguishers",
        standing_things.extinguisher,
        ("workbench",),
        0.8,
        own_color=rgb("#cf3a34"),
    ),
)
