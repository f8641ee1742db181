"""Instruments of the drawn panels: each is painted at a reading, and knows questions with true answers. No Django."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import Random
from typing import TypeAlias

from PIL import Image

from datasets.demo.brush import BRASS, DARK, Brush, Color, darker, lighter, rgb, rounded

Pair: TypeAlias = tuple[str, str]
Maker: TypeAlias = Callable[[Random, str, float], "Instrument"]

_PAPER = rgb("#f8f7f2")
_RED = rgb("#d5443c")
_LIGHTS: dict[str, Color] = {
    "red": rgb("#ff4d42"),
    "green": rgb("#35d06a"),
    "yellow": rgb("#ffd23f"),
    "blue": rgb("#46a3ff"),
}
_BEZELS: dict[str, Color] = {
    "black": rgb("#2f343d"),
    "blue": rgb("#2f6fc4"),
    "red": rgb("#c63d36"),
    "green": rgb("#3c8f5b"),
    "yellow": rgb("#e0aa22"),
}
#: The segments of each digit: top, upper right, lower right, bottom, lower left, upper left, middle.
_SEGMENTS = (
    "1111110",
    "0110000",
    "1101101",
    "1111001",
    "0110011",
    "1011011",
    "1011111",
    "1110000",
    "1111111",
    "1111011",
)


@dataclass(frozen=True, slots=True)
class Instrument:
    """A painted instrument, what it is called in the plural, and what can be asked about it."""

    kind: str
    image: Image.Image
    questions: tuple[Pair, ...]


def pressure_gauge(random: Random, label: str, size: float) -> Instrument:
    top = random.choice((4, 6, 10, 16))
    steps = 20
    step = random.randint(1, steps - 1)
    limit = random.randint(13, 17)
    if step == limit:
        step -= 1
    bezel = random.choice(list(_BEZELS))
    reading = f"{top * step / steps:g}"
    return Instrument(
        "gauges",
        _paint_gauge(size, _BEZELS[bezel], top=top, step=step, limit=limit, steps=steps, label=label),
        (
            (f"What does gauge {label} read, in bar?", reading),
            (f"Is the needle of gauge {label} in the red zone?", "Yes" if step > limit else "No"),
            (f"What color is the rim of gauge {label}?", bezel),
            (f"What is the highest number on the scale of gauge {label}?", str(top)),
            (f"Does gauge {label} read more than {top // 2} bar?", "Yes" if step > steps // 2 else "No"),
        ),
    )


def _paint_gauge(size: float, bezel: Color, *, top: int, step: int, limit: int, steps: int, label: str) -> Image.Image:
    brush = Brush(size, size)
    middle = size / 2

    def angle(position: float) -> float:
        return 135 + position * 270 / steps

    def at(position: float, radius: float) -> tuple[float, float]:
        turn = math.radians(angle(position))
        return middle + math.cos(turn) * size * radius, middle + math.sin(turn) * size * radius

    brush.circle(middle, middle, size * 0.49, darker(bezel, 0.4))
    brush.shaded(
        lambda b: b.circle(middle, middle, size * 0.475, DARK), [lighter(bezel, 0.35), bezel, darker(bezel, 0.3)]
    )
    brush.circle(middle, middle, size * 0.42, darker(_PAPER, 0.2))
    brush.circle(middle, middle + size * 0.005, size * 0.41, _PAPER)
    brush.arc(middle, middle, size * 0.4, angle(limit), angle(steps), size * 0.035, _RED)
    for tick in range(steps + 1):
        long = tick % 5 == 0
        brush.line([at(tick, 0.33 if long else 0.355), at(tick, 0.385)], size * (0.012 if long else 0.007), DARK)
        if long:
            x, y = at(tick, 0.265)
            brush.text(x, y, f"{top * tick / steps:g}", size * 0.068, DARK)
    brush.text(middle, size * 0.64, "bar", size * 0.06, rgb("#6a7079"))
    brush.text(middle, size * 0.76, label, size * 0.085, DARK)
    tail, tip = at(step + steps * 2 / 3, 0.09), at(step, 0.34)
    brush.line([tail, tip], size * 0.02, rgb("#c33a32"))
    brush.circle(middle, middle, size * 0.045, DARK)
    brush.circle(middle, middle, size * 0.02, BRASS)
    return brush.finish()


def thermometer(random: Random, label: str, size: float) -> Instrument:
    value = random.randrange(10, 95, 5)
    brush = Brush(size * 0.5, size)
    brush.rectangle(0, 0, size * 0.5, size, darker(_PAPER, 0.25), size * 0.04)
    brush.rectangle(1, 1, size * 0.5 - 2, size - 3, _PAPER, size * 0.04)
    bottom, rise, tube = size * 0.74, size * 0.6, size * 0.2
    brush.rectangle(tube - size * 0.035, size * 0.08, tube + size * 0.035, size * 0.82, rgb("#d5dbe1"), size * 0.035)
    brush.circle(tube, size * 0.82, size * 0.075, rgb("#d5dbe1"))
    level = bottom - rise * value / 100
    brush.rectangle(tube - size * 0.02, level, tube + size * 0.02, size * 0.82, _RED)
    brush.circle(tube, size * 0.82, size * 0.06, _RED)
    brush.circle(tube - size * 0.02, size * 0.8, size * 0.014, lighter(_RED, 0.6))
    for mark in range(0, 101, 5):
        y = bottom - rise * mark / 100
        long = mark % 20 == 0
        brush.line([(tube + size * 0.05, y), (tube + size * (0.11 if long else 0.08), y)], size * 0.007, DARK)
        if long:
            brush.text(tube + size * 0.19, y, str(mark), size * 0.055, DARK)
    brush.text(size * 0.37, size * 0.06, "°C", size * 0.055, rgb("#6a7079"))
    brush.text(size * 0.25, size * 0.945, label, size * 0.07, DARK)
    return Instrument(
        "thermometers",
        brush.finish(),
        (
            (f"What temperature does thermometer {label} show, in °C?", str(value)),
            (f"Is thermometer {label} above 50 °C?", "Yes" if value > 50 else "No"),
        ),
    )


def display(random: Random, label: str, size: float) -> Instrument:
    number = random.randrange(1000)
    digits = f"{number:03}"
    name = random.choice(["green", "red", "blue"])
    brush = Brush(size * 1.1, size * 0.72)
    brush.rectangle(0, 0, size * 1.1, size * 0.72, rgb("#343a44"), size * 0.05)
    brush.rectangle(0, 0, size * 1.1, size * 0.7, rgb("#454c58"), size * 0.05)
    brush.rectangle(size * 0.07, size * 0.07, size * 1.03, size * 0.52, rgb("#10141a"), size * 0.03)
    for position, digit in enumerate(digits):
        _paint_digit(brush, int(digit), size * (0.17 + position * 0.29), size * 0.14, size * 0.19, _LIGHTS[name])
    brush.circle(size * 0.69, size * 0.455, size * 0.02, _LIGHTS[name])
    brush.text(size * 0.55, size * 0.61, f"{label}   l/min", size * 0.075, rgb("#dfe4ea"))
    value = f"{number // 10}.{number % 10}"
    return Instrument(
        "displays",
        brush.finish(),
        (
            (f"What number does display {label} show?", value),
            (f"What color are the digits of display {label}?", name),
            (f"What is the last digit on display {label}?", digits[-1]),
        ),
    )


def _paint_digit(brush: Brush, digit: int, x: float, y: float, width: float, color: Color) -> None:
    """Seven segments in a box of `width` and 1.65 times that height; those that are off barely seen."""
    height, thick = width * 1.65, width * 0.17
    left, right, half, bottom = x, x + width, y + height / 2, y + height
    gap = thick * 0.65
    segments = (
        ((left + gap, y), (right - gap, y)),
        ((right, y + gap), (right, half - gap)),
        ((right, half + gap), (right, bottom - gap)),
        ((left + gap, bottom), (right - gap, bottom)),
        ((left, half + gap), (left, bottom - gap)),
        ((left, y + gap), (left, half - gap)),
        ((left + gap, half), (right - gap, half)),
    )
    for lit, ends in zip(_SEGMENTS[digit], segments, strict=True):
        brush.line(ends, thick, color if lit == "1" else rgb("#1c232c"))


def lights(random: Random, label: str, size: float) -> Instrument:
    size *= 0.74
    number = random.choice((3, 4))
    names = random.sample(list(_LIGHTS), number)
    lit = [random.random() < 0.55 for _ in names]
    brush = Brush(size * (0.12 + 0.3 * number), size * 0.52)
    brush.rectangle(0, 0, size * (0.12 + 0.3 * number), size * 0.52, rgb("#2b3038"), size * 0.06)
    brush.rectangle(0, 0, size * (0.12 + 0.3 * number), size * 0.5, rgb("#3a414c"), size * 0.06)
    for position, (name, on) in enumerate(zip(names, lit, strict=True)):
        x, y, color = size * (0.21 + position * 0.3), size * 0.2, _LIGHTS[name]
        brush.circle(x, y, size * 0.125, rgb("#181c22"))
        if on:
            brush.circle(x, y, size * 0.115, darker(color, 0.35))
            brush.circle(x, y, size * 0.098, color)
            brush.circle(x - size * 0.03, y - size * 0.035, size * 0.035, lighter(color, 0.75))
        else:
            brush.circle(x, y, size * 0.098, darker(color, 0.72))
            brush.circle(x - size * 0.03, y - size * 0.035, size * 0.02, darker(color, 0.45))
    brush.text(size * (0.06 + 0.15 * number), size * 0.42, label, size * 0.08, rgb("#dfe4ea"))
    asked = random.randrange(number)
    return Instrument(
        "rows of lights",
        brush.finish(),
        (
            (f"How many lights of row {label} are on?", str(sum(lit))),
            (f"Is the {names[asked]} light of row {label} on?", "Yes" if lit[asked] else "No"),
            (f"What color is the leftmost light of row {label}?", names[0]),
            (f"How many lights does row {label} have?", str(number)),
        ),
    )


def tank(random: Random, label: str, size: float) -> Instrument:
    percent = random.randrange(10, 100, 10)
    liquid, name = random.choice(((rgb("#3f8fd6"), "blue"), (rgb("#4fae6a"), "green"), (rgb("#e39a35"), "orange")))
    brush = Brush(size * 0.62, size)
    brush.shaded(lambda b: b.rectangle(0, 0, size * 0.62, size, DARK, size * 0.06), rounded(rgb("#8d98a5")))
    top, bottom = size * 0.1, size * 0.82
    brush.rectangle(size * 0.14, top, size * 0.34, bottom, rgb("#e9eef2"), size * 0.03)
    level = bottom - (bottom - top) * percent / 100
    brush.shaded(lambda b: b.rectangle(size * 0.14, level, size * 0.34, bottom, DARK, size * 0.012), rounded(liquid))
    for mark in range(0, 101, 10):
        y = bottom - (bottom - top) * mark / 100
        long = mark % 50 == 0
        brush.line([(size * 0.36, y), (size * (0.42 if long else 0.39), y)], size * 0.008, DARK)
        if long:
            brush.text(size * 0.5, y, str(mark), size * 0.06, DARK)
    brush.text(size * 0.31, size * 0.91, label, size * 0.08, DARK)
    return Instrument(
        "tanks",
        brush.finish(),
        (
            (f"How full is tank {label}, in percent?", str(percent)),
            (f"What color is the liquid in tank {label}?", name),
            (f"Is tank {label} more than half full?", "Yes" if percent > 50 else "No"),
        ),
    )


def switch(random: Random, label: str, size: float) -> Instrument:
    on = random.random() < 0.5
    brush = Brush(size * 0.42, size * 0.72)
    brush.rectangle(0, 0, size * 0.42, size * 0.72, rgb("#c9ced4"), size * 0.04)
    brush.rectangle(0, 0, size * 0.42, size * 0.705, _PAPER, size * 0.04)
    brush.text(size * 0.21, size * 0.07, "ON", size * 0.06, DARK)
    brush.text(size * 0.21, size * 0.55, "OFF", size * 0.06, DARK)
    brush.rectangle(size * 0.14, size * 0.12, size * 0.28, size * 0.5, DARK, size * 0.07)
    y = size * (0.2 if on else 0.42)
    knob = rgb("#3cb565") if on else rgb("#a9b0b9")
    brush.circle(size * 0.21, y, size * 0.1, darker(knob, 0.3))
    brush.shaded(
        lambda b: b.circle(size * 0.21, y - size * 0.008, size * 0.09, DARK), [lighter(knob, 0.4), knob], across=False
    )
    brush.text(size * 0.21, size * 0.65, label, size * 0.07, DARK)
    return Instrument("switches", brush.finish(), ((f"Is switch {label} on or off?", "on" if on else "off"),))


#: What may be on a panel, and the letter its labels begin with.
MAKERS: tuple[tuple[Maker, str], ...] = (
    (pressure_gauge, "P"),
    (pressure_gauge, "P"),
    (thermometer, "T"),
    (display, "F"),
    (lights, "L"),
    (tank, "V"),
    (switch, "S"),
)


def count(instruments: Iterable[Instrument]) -> list[Pair]:
    """How many there are of each kind, asked and answered."""
    kinds = [instrument.kind for instrument in instruments]
    return [(f"How many {kind} are on the panel?", str(kinds.count(kind))) for kind in dict.fromkeys(kinds)]
