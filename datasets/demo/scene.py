"""A drawn workshop: a wall, shelves and a workbench, and things on them whose boxes are known. No Django."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from PIL import Image, ImageDraw

from datasets.demo.brush import Brush, Color, cast_shadow, darker, gradient, lighter, paste, rgb, soft_shadow
from datasets.demo.things import COLORS, THINGS, Surface, Thing
from datasets.geometry import Box

_SIZES = ((960, 640), (960, 640), (1024, 640), (800, 600), (720, 900))
_WALLS = (
    ("#dce8ea", "#b7cbd0"),
    ("#f3e7d3", "#dcc5a2"),
    ("#d9e3d4", "#b3c6ab"),
    ("#e9dfe6", "#c5b3c2"),
    ("#44566b", "#2e3b4d"),
    ("#cfdcf0", "#a3b8d8"),
    ("#f2d9c8", "#dba98a"),
    ("#3f5a55", "#2a403d"),
)
_WOODS = ("#b07a48", "#8f5f3a", "#c79a63", "#7a5138")
_MARGIN = 14


@dataclass(frozen=True, slots=True)
class Placed:
    """A thing in the scene, in a color by name (or none), and the box it fills in px."""

    thing: Thing
    color: str
    surface: Surface
    box: Box


@dataclass(slots=True)
class Scene:
    image: Image.Image
    things: list[Placed] = field(default_factory=list)


def draw_scene(random: Random) -> Scene:
    """A scene with three to about nine things, none of which hides another."""
    width, height = random.choice(_SIZES)
    scene = Scene(_wall(random, width, height))
    unit = height * 0.24 if width > height else height * 0.17
    bench = round(height * random.uniform(0.8, 0.86))
    wood = rgb(random.choice(_WOODS))
    _draw_bench(scene.image, random, bench, wood)
    blocked: list[Box] = [(0, bench - 10, width, height)]
    for y in _shelf_heights(random, width, height):
        left = width * random.uniform(0.04, 0.3)
        right = left + width * random.uniform(0.5, 0.65)
        blocked.append(_draw_shelf(scene.image, left, right, y, wood))
        _stand(scene, random, unit * 0.85, "shelf", (left + 20, right - 20), y + 3, random.choice((2, 3, 4)))
    _stand(scene, random, unit, "workbench", (0.03 * width, 0.97 * width), bench + 8, random.choice((2, 3, 4, 4)))
    _hang(scene, random, unit, blocked, random.choice((2, 3, 4)))
    return scene


def _shelf_heights(random: Random, width: int, height: int) -> tuple[int, ...]:
    if width < height:
        return round(height * 0.22), round(height * 0.46)
    return random.choice(((), (round(height * 0.34),), (round(height * 0.34),)))


def _wall(random: Random, width: int, height: int) -> Image.Image:
    top, bottom = map(rgb, random.choice(_WALLS))
    canvas = gradient((width, height), [top, bottom])
    draw = ImageDraw.Draw(canvas, "RGBA")
    line = (*darker(bottom, 0.5), 26)
    pattern = random.choice(("plain", "bricks", "boards", "tiles"))
    if pattern == "boards":
        for x in range(random.randrange(60), width, 64):
            draw.line([(x, 0), (x, height)], line, 2)
    elif pattern in ("bricks", "tiles"):
        rise, run = (34, 84) if pattern == "bricks" else (58, 58)
        for row, y in enumerate(range(0, height, rise)):
            draw.line([(0, y), (width, y)], line, 2)
            shift = run // 2 * (row % 2) if pattern == "bricks" else 0
            for x in range(shift, width, run):
                draw.line([(x, y), (x, y + rise)], line, 2)
    glow = Image.linear_gradient("L").rotate(random.choice((90, 270))).resize((width, height))
    canvas.paste(lighter(top, 0.6), (0, 0), glow.point(lambda value: value // 5))
    return canvas


def _draw_bench(canvas: Image.Image, random: Random, y: int, wood: Color) -> None:
    width, height = canvas.size
    dusk = Image.linear_gradient("L").resize((width, 60)).point(lambda value: value // 4)
    canvas.paste((15, 18, 28), (0, y - 60), dusk)
    top = 24
    canvas.paste(gradient((width, top), [lighter(wood, 0.38), lighter(wood, 0.12)]), (0, y))
    canvas.paste(gradient((width, height - y - top), [darker(wood, 0.12), darker(wood, 0.45)]), (0, y + top))
    draw = ImageDraw.Draw(canvas, "RGBA")
    draw.rectangle((0, y + top, width, y + top + 5), (*darker(wood, 0.6), 150))
    for _ in range(9):
        x, grain = random.randrange(width), random.randrange(4, top - 3)
        draw.line([(x, y + grain), (x + random.randrange(60, 240), y + grain)], (*darker(wood, 0.3), 40), 1)
    drawers = random.choice((3, 4))
    for number in range(drawers):
        x0, x1 = width * (number + 0.06) / drawers, width * (number + 0.94) / drawers
        draw.rounded_rectangle(
            (x0, y + top + 18, x1, height + 20), 6, (*lighter(wood, 0.1), 70), (*darker(wood, 0.6), 90)
        )
        middle = (x0 + x1) / 2
        draw.rounded_rectangle((middle - 24, y + top + 34, middle + 24, y + top + 43), 4, rgb("#d8dce1"))


def _draw_shelf(canvas: Image.Image, left: float, right: float, y: int, wood: Color) -> Box:
    x0, x1 = round(left), round(right)
    draw = ImageDraw.Draw(canvas, "RGBA")
    for x in (x0 + 36, x1 - 48):
        bracket = Brush(12, 46)
        bracket.polygon([(0, 0), (12, 0), (12, 8), (8, 46), (4, 46), (0, 8)], darker(wood, 0.55))
        paste(canvas, bracket.finish(), x, y + 14)
    draw.rectangle((x0 + 8, y + 18, x1 + 8, y + 30), (15, 18, 28, 42))
    canvas.paste(gradient((x1 - x0, 8), [lighter(wood, 0.42), lighter(wood, 0.25)]), (x0, y))
    canvas.paste(gradient((x1 - x0, 11), [wood, darker(wood, 0.3)]), (x0, y + 8))
    return x0, y, x1, y + 62


def _stand(
    scene: Scene,
    random: Random,
    unit: float,
    surface: Surface,
    extent: tuple[float, float],
    floor: int,
    number: int,
) -> None:
    """Put things side by side on a surface, as many as there is room for."""
    left, right = extent
    sprites = [_sprite(random, thing, unit) for thing in _choice(random, surface, number)]
    while sprites and sum(sprite.width + _MARGIN for _, _, sprite in sprites) > right - left:
        sprites.pop()
    free = right - left - sum(sprite.width for _, _, sprite in sprites)
    gaps = sorted(random.uniform(0, free - _MARGIN * (len(sprites) - 1)) for _ in sprites)
    x, before = left, 0.0
    for (thing, color, sprite), gap in zip(sprites, gaps, strict=True):
        x += gap - before
        before = gap
        soft_shadow(scene.image, x - 14, floor - 14, x + sprite.width + 26, floor + 12)
        box = paste(scene.image, sprite, x, floor - sprite.height)
        scene.things.append(Placed(thing, color, surface, box))
        x += sprite.width + _MARGIN


def _hang(scene: Scene, random: Random, unit: float, blocked: Sequence[Box], number: int) -> None:
    """Hang things where nothing else is."""
    width, height = scene.image.size
    for thing in _choice(random, "wall", number):
        thing_, color, sprite = _sprite(random, thing, unit)
        for _ in range(40):
            x = random.uniform(20, width - sprite.width - 20)
            y = random.uniform(18, height * 0.8 - sprite.height)
            around = (x - 18, y - 14, x + sprite.width + 18, y + sprite.height + 14)
            if not any(_overlap(around, box) for box in (*blocked, *(placed.box for placed in scene.things))):
                cast_shadow(scene.image, sprite, x, y)
                box = paste(scene.image, sprite, x, y)
                scene.things.append(Placed(thing_, color, "wall", box))
                break


def _choice(random: Random, surface: Surface, number: int) -> list[Thing]:
    """Kinds of things for a surface; one of them twice or more often than not alone."""
    kinds = [thing for thing in THINGS if surface in thing.surfaces]
    chosen = random.sample(kinds, min(number, len(kinds)))
    if number > 1 and random.random() < 0.6:
        chosen[-1] = chosen[0]
    return sorted(chosen, key=lambda thing: thing.singular)


def _sprite(random: Random, thing: Thing, unit: float) -> tuple[Thing, str, Image.Image]:
    color = random.choice(thing.colors) if thing.colors else ""
    size = unit * thing.scale * random.uniform(0.92, 1.1)
    return thing, color, thing.paint(size, COLORS.get(color, thing.own_color), random)


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
