"""A drawn control panel: a sheet of metal with instruments in rows, and questions about them. No Django."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from random import Random

from PIL import Image, ImageDraw

from datasets.contents import Interaction, Vqa
from datasets.demo import dials
from datasets.demo.brush import Brush, Color, cast_shadow, darker, gradient, lighter, paste, rgb
from datasets.demo.dials import Instrument

_SIZES = ((960, 640), (960, 640), (800, 600), (1024, 576), (720, 720))
_ROWS = ((2, 2), (2, 3), (3, 2), (3, 3))
_ROWS_WIDE = ((3,), (2, 2), (2, 3), (3, 2), (3, 3))
_METALS = ("#cfd5da", "#b9c4cc", "#d8d2c6", "#5c6672", "#7f99a8", "#c8d3c4", "#48566a", "#d9c3a9")
_ROOMS = ("#39424e", "#e7e2d8", "#c4cfd6", "#55483f", "#dfe6ea")
#: How much of the wall is seen around the metal, in px.
_EDGE = 20


@dataclass(frozen=True, slots=True)
class Panel:
    image: Image.Image
    instruments: list[Instrument]


def draw_panel(random: Random) -> Panel:
    """A panel with three to six instruments, each with a label of its own."""
    width, height = random.choice(_SIZES)
    canvas = _sheet(random, width, height)
    rows = random.choice(_ROWS_WIDE if width > 1.3 * height else _ROWS)
    instruments: list[Instrument] = []
    labels: dict[str, int] = {}
    space = (height - 120) / len(rows)
    for number, columns in enumerate(rows):
        size = min(space * 0.9, (width - 120) / columns * 0.86)
        for column in range(columns):
            maker, letter = random.choice(dials.MAKERS)
            labels[letter] = labels.get(letter, 0) + 1
            instrument = maker(random, f"{letter}{labels[letter]}", size)
            sprite = instrument.image
            x = 60 + (width - 120) * (column + 0.5) / columns - sprite.width / 2
            y = 60 + space * (number + 0.5) - sprite.height / 2
            cast_shadow(canvas, sprite, x, y)
            paste(canvas, sprite, x, y)
            instruments.append(instrument)
    return Panel(canvas, instruments)


def ask(panel: Panel, random: Random) -> Vqa:
    """Two to four questions about different instruments, as far as there are enough."""
    pairs = [random.choice(instrument.questions) for instrument in panel.instruments]
    pairs.append(random.choice(dials.count(panel.instruments)))
    chosen = random.sample(pairs, min(random.choice((2, 3, 3, 4)), len(pairs)))
    return Vqa([Interaction(order, question, answer) for order, (question, answer) in enumerate(chosen, 1)])


def _sheet(random: Random, width: int, height: int) -> Image.Image:
    """The metal, screwed to a wall."""
    room, metal = rgb(random.choice(_ROOMS)), rgb(random.choice(_METALS))
    canvas = gradient((width, height), [lighter(room, 0.12), darker(room, 0.18)])
    plate = _plate(width - 2 * _EDGE, height - 2 * _EDGE)
    draw = ImageDraw.Draw(canvas, "RGBA")
    for step in range(6):
        corners = (_EDGE - 3 + step, _EDGE + 4 + step, width - _EDGE + 5 - step, height - _EDGE + 9 - step)
        draw.rounded_rectangle(corners, 18, (*darker(room, 0.8), 22))
    canvas.paste(darker(metal, 0.4), (_EDGE, _EDGE + 2), plate)
    canvas.paste(lighter(metal, 0.5), (_EDGE, _EDGE), plate)
    shades = [lighter(metal, 0.25), metal, darker(metal, 0.1), lighter(metal, 0.08), darker(metal, 0.14)]
    canvas.paste(gradient(plate.size, shades, across=True), (_EDGE, _EDGE + 1), plate)
    for y in range(_EDGE + 20, height - _EDGE - 20, 3):
        draw.line([(_EDGE + 14, y), (width - _EDGE - 16, y)], (255, 255, 255, random.randrange(3, 13)), 1)
    for x in (_EDGE + 14, width - _EDGE - 32):
        for y in (_EDGE + 14, height - _EDGE - 32):
            paste(canvas, _screw(metal), x, y)
    return canvas


@cache
def _plate(width: int, height: int) -> Image.Image:
    brush = Brush(width, height)
    brush.rectangle(0, 0, width - 1, height - 1, (0, 0, 0), 16)
    return brush.finish()


def _screw(metal: Color) -> Image.Image:
    brush = Brush(18, 18)
    brush.circle(9, 9, 9, darker(metal, 0.45))
    brush.circle(9, 8, 8, lighter(metal, 0.35))
    brush.line([(5, 11), (13, 5)], 2, darker(metal, 0.5))
    return brush.finish()
