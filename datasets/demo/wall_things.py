"""What hangs on the wall of the workshop scenes. Each function paints one thing, `size` px in scale. No Django."""

from __future__ import annotations

import math
from random import Random

from PIL import Image

from datasets.demo.brush import BRASS, DARK, STEEL, Brush, Color, darker, lighter, rgb, rounded


def valve(size: float, color: Color, random: Random) -> Image.Image:
    brush = Brush(size * 1.4, size * 1.2)
    middle = size * 0.7
    steel = [lighter(STEEL, 0.45), STEEL, darker(STEEL, 0.35)]
    brush.shaded(lambda b: b.rectangle(size * 0.05, size * 0.82, size * 1.35, size * 1.06, DARK), steel, across=False)

    def flanges(b: Brush) -> None:
        for x in (0.05, 1.22):
            b.rectangle(size * x, size * 0.76, size * (x + 0.13), size * 1.12, DARK, size * 0.02)

    brush.shaded(flanges, steel, across=False)
    brush.shaded(lambda b: b.ellipse(size * 0.47, size * 0.72, size * 0.93, size * 1.16, DARK), rounded(STEEL))
    brush.shaded(lambda b: b.rectangle(size * 0.63, size * 0.4, size * 0.77, size * 0.8, DARK), rounded(BRASS))
    turn = random.uniform(0, 1.2)
    for spoke in range(5):
        angle = turn + spoke * math.tau / 5
        end = (middle + math.cos(angle) * size * 0.3, size * 0.38 + math.sin(angle) * size * 0.3)
        brush.line([(middle, size * 0.38), end], size * 0.055, darker(color, 0.15))
    brush.ring(middle, size * 0.385, size * 0.36, size * 0.095, darker(color, 0.3))
    brush.ring(middle, size * 0.375, size * 0.36, size * 0.075, color)
    brush.arc(middle, size * 0.375, size * 0.345, 190, 280, size * 0.02, lighter(color, 0.55))
    brush.circle(middle, size * 0.38, size * 0.09, darker(color, 0.25))
    brush.circle(middle, size * 0.375, size * 0.06, lighter(color, 0.2))
    return brush.finish()


def gauge(size: float, color: Color, random: Random) -> Image.Image:
    brush = Brush(size, size * 1.2)
    middle = size / 2
    brush.shaded(lambda b: b.rectangle(size * 0.42, size * 0.88, size * 0.58, size * 1.1, DARK), rounded(BRASS))
    brush.shaded(lambda b: b.rectangle(size * 0.37, size * 1.04, size * 0.63, size * 1.16, DARK, 2), rounded(BRASS))
    brush.circle(middle, middle, size * 0.48, darker(color, 0.3))
    brush.shaded(
        lambda b: b.circle(middle, middle, size * 0.465, DARK), [lighter(color, 0.35), color, darker(color, 0.2)]
    )
    brush.circle(middle, middle, size * 0.385, rgb("#f8f7f2"))
    brush.arc(middle, middle, size * 0.33, 135, 300, size * 0.045, rgb("#7fbf8e"))
    brush.arc(middle, middle, size * 0.33, 300, 360, size * 0.045, rgb("#e9bd4a"))
    brush.arc(middle, middle, size * 0.33, 0, 45, size * 0.045, rgb("#d9564c"))
    for tick in range(11):
        angle = math.radians(135 + tick * 27)
        inner, outer = size * (0.24 if tick % 5 == 0 else 0.27), size * 0.31
        ends = [(middle + math.cos(angle) * r, middle + math.sin(angle) * r) for r in (inner, outer)]
        brush.line(ends, size * 0.014, DARK)
    angle = math.radians(135 + random.uniform(0.08, 0.92) * 270)
    tip = (middle + math.cos(angle) * size * 0.28, middle + math.sin(angle) * size * 0.28)
    tail = (middle - math.cos(angle) * size * 0.07, middle - math.sin(angle) * size * 0.07)
    brush.line([tail, tip], size * 0.028, rgb("#c33a32"))
    brush.circle(middle, middle, size * 0.045, DARK)
    brush.arc(middle, middle, size * 0.36, 200, 290, size * 0.02, rgb("#ffffff"))
    return brush.finish()


def clock(size: float, color: Color, random: Random) -> Image.Image:
    brush = Brush(size, size)
    middle = size / 2
    brush.circle(middle, middle, size * 0.48, darker(color, 0.2))
    brush.circle(middle, middle - size * 0.012, size * 0.46, color)
    brush.circle(middle, middle, size * 0.4, rgb("#fbfaf6"))
    for hour in range(12):
        angle = hour * math.tau / 12
        inner = size * (0.31 if hour % 3 == 0 else 0.345)
        brush.line(
            [(middle + math.cos(angle) * r, middle + math.sin(angle) * r) for r in (inner, size * 0.37)],
            size * 0.02,
            DARK,
        )
    minute = random.randrange(60)
    turn = (random.randrange(12) + minute / 60) * math.tau / 12
    for angle, length, width in ((turn, 0.2, 0.04), (minute * math.tau / 60, 0.31, 0.026)):
        tip = (middle + math.sin(angle) * size * length, middle - math.cos(angle) * size * length)
        brush.line([(middle, middle), tip], size * width, DARK)
    brush.circle(middle, middle, size * 0.035, rgb("#c33a32"))
    return brush.finish()


def window(size: float, color: Color, random: Random) -> Image.Image:
    width, height = size * random.uniform(0.85, 1.15), size * 1.05
    brush = Brush(width + size * 0.1, height + size * 0.08)
    left = size * 0.05
    sky = random.choice([("#8cc4ea", "#d8eef8"), ("#f3b98a", "#fbe3bd"), ("#5d7fb5", "#b9cfe8")])
    brush.rectangle(left, 0, left + width, height, darker(color, 0.15), 3)
    brush.rectangle(left, 0, left + width - 1.5, height - 1.5, color, 3)
    edge = size * 0.06
    pane = (left + edge, edge, left + width - edge, height - edge)
    brush.shaded(lambda b: b.rectangle(*pane, DARK), [rgb(sky[0]), rgb(sky[1])], across=False)
    hill = rgb("#6f9a6b")
    for share, shade in ((0.66, lighter(hill, 0.35)), (0.78, hill)):
        crest = [
            (pane[0] + (pane[2] - pane[0]) * step / 12, height * share - math.sin(step * share + size) * size * 0.05)
            for step in range(13)
        ]
        brush.polygon([(pane[0], pane[3]), *crest, (pane[2], pane[3])], shade)
    middle = left + width / 2
    brush.rectangle(middle - edge * 0.35, edge, middle + edge * 0.35, height - edge, color)
    brush.rectangle(left + edge, height * 0.5, left + width - edge, height * 0.5 + edge * 0.7, color)
    brush.rectangle(0, height - size * 0.01, width + size * 0.1, height + size * 0.06, darker(color, 0.08), 2)
    return brush.finish()
