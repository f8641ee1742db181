"""What stands in the workshop scenes. Each function paints one thing, `size` px in scale. No Django."""

from __future__ import annotations

import math
from random import Random

from PIL import Image

from datasets.demo.brush import DARK, Brush, Color, darker, lighter, rgb, rounded


def crate(size: float, color: Color, random: Random) -> Image.Image:
    width = size * random.uniform(0.95, 1.25)
    brush = Brush(width + size * 0.35, size * 1.1)
    card = rgb("#c79b66")
    depth, top = size * 0.3, size * 0.22
    front = (2.0, top, width, size)
    brush.polygon([(2, top), (depth * 0.8, 4), (width + depth * 0.8, 4), (width, top)], lighter(card, 0.28))
    brush.polygon(
        [(width, top), (width + depth * 0.8, 4), (width + depth * 0.8, size - top + 6), (width, size)],
        darker(card, 0.3),
    )
    brush.shaded(lambda b: b.rectangle(*front, DARK), [lighter(card, 0.1), darker(card, 0.12)], across=False)
    tape = lighter(card, 0.5)
    brush.rectangle(width * 0.44, top, width * 0.56, top + size * 0.3, tape)
    brush.polygon(
        [(width * 0.44, top), (width * 0.44 + depth * 0.8, 4), (width * 0.56 + depth * 0.8, 4), (width * 0.56, top)],
        lighter(tape, 0.3),
    )
    brush.rectangle(width * 0.12, size * 0.7, width * 0.36, size * 0.88, lighter(card, 0.75), 2)
    for row in range(3):
        y = size * (0.745 + row * 0.045)
        brush.line([(width * 0.15, y), (width * (0.33 - 0.05 * (row == 2)), y)], 1.4, darker(card, 0.5))
    return brush.finish()


def mug(size: float, color: Color, random: Random) -> Image.Image:
    brush = Brush(size * 1.2, size * 1.1)
    brush.ring(size * 0.84, size * 0.58, size * 0.24, size * 0.085, darker(color, 0.22))

    def body(b: Brush) -> None:
        b.rectangle(size * 0.1, size * 0.2, size * 0.84, size, DARK, size * 0.13)
        b.rectangle(size * 0.1, size * 0.2, size * 0.84, size * 0.6, DARK)

    brush.shaded(body, rounded(color))
    brush.ellipse(size * 0.1, size * 0.1, size * 0.84, size * 0.3, lighter(color, 0.4))
    brush.ellipse(size * 0.15, size * 0.13, size * 0.79, size * 0.275, rgb("#4b2e1f"))
    brush.ellipse(size * 0.2, size * 0.17, size * 0.74, size * 0.275, rgb("#6b4329"))
    brush.rectangle(size * 0.1, size * 0.72, size * 0.84, size * 0.79, lighter(color, 0.6))
    return brush.finish()


def plant(size: float, color: Color, random: Random) -> Image.Image:
    brush = Brush(size * 1.3, size * 1.5)
    middle, soil = size * 0.65, size * 0.98
    leaf = rgb(random.choice(["#3f8f4f", "#4f9d6b", "#5a8f3c"]))
    for index, angle in enumerate(
        sorted(random.uniform(-0.2, 0.2) + a for a in (-2.75, -2.4, -2.05, -1.75, -1.57, -1.35, -1.05, -0.75, -0.4))
    ):
        length = size * random.uniform(0.55, 0.88)
        tip = (middle + math.cos(angle) * length * 0.72, soil + math.sin(angle) * length)
        side = (math.cos(angle + math.pi / 2) * size * 0.075, math.sin(angle + math.pi / 2) * size * 0.075)
        half = ((middle + tip[0]) / 2, (soil + tip[1]) / 2 - size * 0.05)
        shade = darker(leaf, 0.2) if index % 2 else lighter(leaf, 0.12)
        brush.polygon(
            [(middle, soil), (half[0] + side[0], half[1] + side[1]), tip, (half[0] - side[0], half[1] - side[1])], shade
        )
        brush.line([(middle, soil), half, tip], size * 0.012, lighter(shade, 0.35))
    pot = [(size * 0.33, size * 1.0), (size * 0.97, size * 1.0), (size * 0.88, size * 1.44), (size * 0.42, size * 1.44)]
    brush.shaded(lambda b: b.polygon(pot, DARK), rounded(color))
    brush.shaded(
        lambda b: b.rectangle(size * 0.28, size * 0.93, size * 1.02, size * 1.07, DARK, 3), rounded(lighter(color, 0.1))
    )
    return brush.finish()


def lamp(size: float, color: Color, random: Random) -> Image.Image:
    brush = Brush(size * 1.35, size * 1.7)
    brush.ellipse(size * 0.15, size * 1.5, size * 0.75, size * 1.66, darker(color, 0.35))
    brush.ellipse(size * 0.15, size * 1.47, size * 0.75, size * 1.61, color)
    brush.line(
        [(size * 0.45, size * 1.52), (size * 0.28, size * 0.95), (size * 0.72, size * 0.42)],
        size * 0.05,
        rgb("#5b6472"),
    )
    for x, y in ((0.28, 0.95), (0.72, 0.42)):
        brush.circle(size * x, size * y, size * 0.05, DARK)
    brush.ellipse(size * 0.72, size * 0.58, size * 1.22, size * 0.86, rgb("#fff3c4"))
    head = [
        (size * 0.66, size * 0.28),
        (size * 0.84, size * 0.22),
        (size * 1.24, size * 0.66),
        (size * 0.7, size * 0.8),
    ]
    brush.shaded(lambda b: b.polygon(head, DARK), [lighter(color, 0.25), color, darker(color, 0.25)])
    brush.line([(size * 0.71, size * 0.79), (size * 1.235, size * 0.655)], size * 0.035, lighter(color, 0.35))
    return brush.finish()


def toolbox(size: float, color: Color, random: Random) -> Image.Image:
    brush = Brush(size * 1.7, size * 1.1)
    brush.line(
        [(size * 0.5, size * 0.42), (size * 0.58, size * 0.12), (size * 1.12, size * 0.12), (size * 1.2, size * 0.42)],
        size * 0.07,
        rgb("#4a505c"),
    )
    brush.shaded(
        lambda b: b.polygon(
            [
                (size * 0.16, size * 0.3),
                (size * 1.54, size * 0.3),
                (size * 1.66, size * 0.56),
                (size * 0.04, size * 0.56),
            ],
            DARK,
        ),
        [lighter(color, 0.28), color],
        across=False,
    )
    brush.shaded(
        lambda b: b.rectangle(size * 0.04, size * 0.54, size * 1.66, size * 1.04, DARK, size * 0.03),
        [color, darker(color, 0.28)],
        across=False,
    )
    brush.rectangle(size * 0.04, size * 0.53, size * 1.66, size * 0.57, darker(color, 0.4))
    for x in (0.32, 1.2):
        brush.rectangle(size * x, size * 0.48, size * (x + 0.18), size * 0.68, rgb("#d4d8dd"), 3)
        brush.rectangle(size * (x + 0.05), size * 0.57, size * (x + 0.13), size * 0.64, rgb("#767e8a"), 2)
    brush.rectangle(size * 0.68, size * 0.74, size * 1.02, size * 0.88, lighter(color, 0.7), 3)
    return brush.finish()


def bottle(size: float, color: Color, random: Random) -> Image.Image:
    brush = Brush(size * 0.62, size * 1.5)
    brush.shaded(lambda b: b.rectangle(size * 0.2, size * 0.1, size * 0.42, size * 0.5, DARK, 3), rounded(color))
    shoulder = [
        (size * 0.2, size * 0.38),
        (size * 0.42, size * 0.38),
        (size * 0.56, size * 0.62),
        (size * 0.06, size * 0.62),
    ]

    def body(b: Brush) -> None:
        b.polygon(shoulder, DARK)
        b.rectangle(size * 0.06, size * 0.6, size * 0.56, size * 1.46, DARK, size * 0.05)

    brush.shaded(body, rounded(color))
    brush.rectangle(size * 0.19, size * 0.04, size * 0.43, size * 0.16, DARK, 3)
    brush.rectangle(size * 0.06, size * 0.84, size * 0.56, size * 1.2, rgb("#f4f1e6"))
    brush.rectangle(size * 0.06, size * 0.84, size * 0.56, size * 0.89, darker(color, 0.3))
    brush.line([(size * 0.14, size * 0.99), (size * 0.48, size * 0.99)], 2, rgb("#8d8a80"))
    brush.line([(size * 0.14, size * 1.07), (size * 0.4, size * 1.07)], 2, rgb("#8d8a80"))
    return brush.finish()


def extinguisher(size: float, color: Color, random: Random) -> Image.Image:
    brush = Brush(size * 0.85, size * 1.7)
    brush.line(
        [(size * 0.42, size * 0.2), (size * 0.72, size * 0.34), (size * 0.74, size * 0.95), (size * 0.66, size * 1.2)],
        size * 0.05,
        DARK,
    )
    brush.shaded(
        lambda b: b.rectangle(size * 0.1, size * 0.36, size * 0.62, size * 1.64, DARK, size * 0.2), rounded(color)
    )
    brush.rectangle(size * 0.1, size * 1.5, size * 0.62, size * 1.65, darker(color, 0.5), size * 0.05)
    brush.rectangle(size * 0.1, size * 0.78, size * 0.62, size * 1.16, rgb("#f4f1e6"))
    brush.polygon([(size * 0.36, size * 0.84), (size * 0.46, size * 1.04), (size * 0.26, size * 1.04)], rgb("#e2702a"))
    brush.rectangle(size * 0.28, size * 0.2, size * 0.44, size * 0.4, rgb("#767e8a"), 3)
    brush.polygon(
        [(size * 0.18, size * 0.1), (size * 0.62, size * 0.04), (size * 0.62, size * 0.11), (size * 0.2, size * 0.22)],
        DARK,
    )
    brush.rectangle(size * 0.2, size * 0.18, size * 0.58, size * 0.25, DARK, 3)
    return brush.finish()
