"""One page of the Assets grid: each asset as a tile with its boxes, in a constant number of queries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from django.db.models import Case, F, TextField, Value, When
from django.db.models.expressions import Combinable
from django.db.models.functions import Length

from datasets import contents, drawing
from datasets.contents import GroundedPhrase, PhraseGrounding
from datasets.drawing import Rectangle
from datasets.models import Annotation, Asset, DatasetType

MAX_SHAPES = 150
MAX_DRAWN_CHARACTERS = 200_000

_UNITS = {
    DatasetType.PHRASE_GROUNDING: ("box", "boxes"),
    DatasetType.VQA: ("answer", "answers"),
    DatasetType.FREEFORM: ("text", "texts"),
}


@dataclass(frozen=True, slots=True)
class Shape:
    """A box on a tile, in the tone of its phrase."""

    rectangle: Rectangle
    tone: int


@dataclass(frozen=True, slots=True)
class Tile:
    """An asset of the grid; `note` says in a few words what is annotated, and is empty where nothing is."""

    asset: Asset
    note: str = ""
    shapes: tuple[Shape, ...] = ()

    @property
    def has_picture(self) -> bool:
        return bool(self.asset.file) and not self.asset.flaw


class _Row(NamedTuple):
    asset_id: int
    labels: str
    drawn: str


def tiles(assets: Sequence[Asset], *, kind: str, ranked: Sequence[str] = ()) -> list[Tile]:
    """`assets` as tiles, in order; `ranked` are the dataset's most frequent phrases. One query."""
    annotations: dict[int, list[_Row]] = defaultdict(list)
    drawable: Combinable = Value("", output_field=TextField())
    if kind == DatasetType.PHRASE_GROUNDING:
        short = When(length__lte=MAX_DRAWN_CHARACTERS, then=F("contents"))
        drawable = Case(short, default=drawable, output_field=TextField())
    rows = (
        Annotation.objects.filter(asset__in=assets)
        .annotate(length=Length("contents"), drawn=drawable)
        .order_by("asset", "pk")
        .values_list("asset_id", "labels", "drawn")
    )
    for row in rows:
        annotations[row[0]].append(_Row(*row))
    return [Tile(asset, _note(annotations[asset.pk], kind), _shapes(annotations[asset.pk], ranked)) for asset in assets]


def _note(rows: Sequence[_Row], kind: str) -> str:
    if not rows:
        return ""
    count = len(rows)
    if kind != DatasetType.FREEFORM:
        count = sum(sum(contents.parse_labels(row.labels).values()) for row in rows)
    one, many = _UNITS[DatasetType(kind)]
    return f"{count:,} {one if count == 1 else many}"


def _shapes(rows: Sequence[_Row], ranked: Sequence[str]) -> tuple[Shape, ...]:
    phrases = [phrase for row in rows for phrase in _phrases(row)]
    tone_of = drawing.tones((phrase.phrase for phrase in phrases), ranked=ranked)
    shapes = (
        Shape(drawing.rectangle(box), tone_of[phrase.phrase])
        for phrase in phrases
        for box in phrase.bounds
        if box[0] < box[2] and box[1] < box[3]
    )
    return tuple(islice(shapes, MAX_SHAPES))


def _phrases(row: _Row) -> list[GroundedPhrase]:
    """Empty where they cannot be read: the asset's own page says why."""
    if not row.drawn:
        return []
    try:
        parsed = contents.parse(row.drawn)
    except contents.ContentsError:
        return []
    return parsed.grounded_phrases if isinstance(parsed, PhraseGrounding) else []
