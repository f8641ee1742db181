"""Drawing with smooth edges: every sprite is painted three times too large and scaled down. No Django."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import TypeAlias

from PIL import Image, ImageColor, ImageDraw, ImageFilter, ImageFont

from datasets.geometry import Box

Color: TypeAlias = tuple[int, int, int]
Point: TypeAlias = tuple[float, float]

_SCALE = 3
#: A pixel counts as part of a sprite from this opacity on.
_VISIBLE = 64
_SHADOW = (15, 18, 28)


def rgb(color: str) -> Color:
    return ImageColor.getrgb(color)[:3]


STEEL = rgb("#9aa5b1")
BRASS = rgb("#c79a45")
DARK = rgb("#2b303b")


def mixed(one: Color, other: Color, share: float) -> Color:
    """`one` with `share` of `other` in it."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def lighter(color: Color, share: float) -> Color:
    return mixed(color, (255, 255, 255), share)


def darker(color: Color, share: float) -> Color:
    return mixed(color, (20, 22, 30), share)


def rounded(color: Color) -> list[Color]:
    """The shades of a cylinder lit from the left."""
    return [darker(color, 0.12), lighter(color, 0.32), color, darker(color, 0.12), darker(color, 0.32)]


def gradient(size: tuple[int, int], stops: Sequence[Color], *, across: bool = False) -> Image.Image:
    """An image that blends evenly spaced `stops`, from top to bottom or, `across`, from left to right."""
    strip = Image.new("RGB", (1, len(stops)))
    strip.putdata(list(stops))
    if across:
        strip = strip.transpose(Image.Transpose.ROTATE_90)
    return _stretched(strip, size)


def _stretched(strip: Image.Image, size: tuple[int, int]) -> Image.Image:
    """`strip` over `size`, the centers of its outer pixels on the borders."""
    width, height = strip.size
    inner = (0.5 * (width > 1), 0.5 * (height > 1), width - 0.5 * (width > 1), height - 0.5 * (height > 1))
    return strip.resize(size, Image.Resampling.BILINEAR, box=inner)


class Brush:
    """A transparent canvas of `width` x `height` px. All coordinates and widths are px of the finished sprite."""

    def __init__(self, width: float, height: float) -> None:
        # Premultiplied, so that scaling down needs no conversion; opaque paint is the same in both.
        self._image = Image.new("RGBa", (round(width * _SCALE), round(height * _SCALE)))
        self._draw = ImageDraw.Draw(self._image)

    def _ink(self, paint: Color) -> Color | int:
        return paint

    def ellipse(self, x0: float, y0: float, x1: float, y1: float, paint: Color) -> None:
        self._draw.ellipse(_scaled(x0, y0, x1, y1), fill=self._ink(paint))

    def circle(self, x: float, y: float, radius: float, paint: Color) -> None:
        self.ellipse(x - radius, y - radius, x + radius, y + radius, paint)

    def ring(self, x: float, y: float, radius: float, width: float, paint: Color) -> None:
        box = _scaled(x - radius, y - radius, x + radius, y + radius)
        self._draw.ellipse(box, outline=self._ink(paint), width=round(width * _SCALE))

    def arc(self, x: float, y: float, radius: float, start: float, end: float, width: float, paint: Color) -> None:
        """Part of a ring, in degrees clockwise from three o'clock."""
        box = _scaled(x - radius, y - radius, x + radius, y + radius)
        self._draw.arc(box, start, end, fill=self._ink(paint), width=round(width * _SCALE))

    def rectangle(self, x0: float, y0: float, x1: float, y1: float, paint: Color, radius: float = 0) -> None:
        self._draw.rounded_rectangle(_scaled(x0, y0, x1, y1), radius * _SCALE, fill=self._ink(paint))

    def polygon(self, points: Sequence[Point], paint: Color) -> None:
        self._draw.polygon([(x * _SCALE, y * _SCALE) for x, y in points], fill=self._ink(paint))

    def line(self, points: Sequence[Point], width: float, paint: Color) -> None:
        """A line with round joints and ends."""
        scaled = [(x * _SCALE, y * _SCALE) for x, y in points]
        self._draw.line(scaled, fill=self._ink(paint), width=round(width * _SCALE), joint="curve")
        for x, y in points:
            self.circle(x, y, width / 2, paint)

    def text(self, x: float, y: float, words: str, size: float, paint: Color) -> None:
        """`words` centered at (x, y)."""
        font = _font(round(size * _SCALE))
        self._draw.text((x * _SCALE, y * _SCALE), words, fill=self._ink(paint), font=font, anchor="mm")

    def shaded(self, paint: Callable[[Brush], None], stops: Sequence[Color], *, across: bool = True) -> None:
        """What `paint` draws, in any color, filled with a gradient over its extent."""
        shape = _Stencil(*self._image.size)
        paint(shape)
        box = shape.mask.getbbox()
        if box is not None:
            mask = shape.mask.crop(box)
            self._image.paste(gradient(mask.size, stops, across=across), box, mask)

    def finish(self) -> Image.Image:
        """The sprite: scaled down and cut to what is visible."""
        image = self._image.reduce(_SCALE).convert("RGBA")
        visible = image.getchannel("A").point(lambda alpha: 255 * (alpha >= _VISIBLE)).getbbox()
        return image.crop(visible)


class _Stencil(Brush):
    """A brush of which only the shape counts."""

    def __init__(self, width: int, height: int) -> None:
        self.mask = Image.new("L", (width, height))
        self._draw = ImageDraw.Draw(self.mask)

    def _ink(self, paint: Color) -> Color | int:
        return 255


def paste(canvas: Image.Image, sprite: Image.Image, x: float, y: float) -> Box:
    """Put `sprite` on `canvas` with its top left corner at (x, y), and return the box it fills, in px."""
    left, top = round(x), round(y)
    canvas.paste(sprite, (left, top), sprite)
    return left, top, left + sprite.width, top + sprite.height


def soft_shadow(canvas: Image.Image, x0: float, y0: float, x1: float, y1: float, strength: int = 110) -> None:
    """A dark spot that fades out towards the border of the box."""
    size = max(round(x1 - x0), 2), max(round(y1 - y0), 2)
    spot = Image.radial_gradient("L").point(lambda distance: max(180 - distance, 0) * strength // 180)
    canvas.paste(_SHADOW, (round(x0), round(y0)), spot.resize(size, Image.Resampling.BILINEAR))


def cast_shadow(canvas: Image.Image, sprite: Image.Image, x: float, y: float, blur: int = 6) -> None:
    """The shadow on a wall of `sprite`, whose top left corner is at (x, y)."""
    room = 2 * blur
    mask = Image.new("L", (sprite.width + 2 * room, sprite.height + 2 * room))
    mask.paste(sprite.getchannel("A").point(lambda alpha: alpha * 2 // 7), (room, room))
    mask = mask.filter(ImageFilter.GaussianBlur(blur))
    canvas.paste(_SHADOW, (round(x) - room + blur, round(y) - room + blur + 2), mask)


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _scaled(x0: float, y0: float, x1: float, y1: float) -> tuple[float, float, float, float]:
    return x0 * _SCALE, y0 * _SCALE, x1 * _SCALE, y1 * _SCALE
