"""One asset with all that was said about it, ready to be drawn: captions with boxes, questions, texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from datasets import drawing
from datasets.contents import Contents, ContentsError, Freeform, Interaction, PhraseGrounding, Vqa
from datasets.drawing import Caption, Group
from datasets.models import Annotation, Asset, Dataset
from datasets.views.pictures import SHOWN_TYPES

#: With more boxes than this, names are drawn only over those that are lit up.
MAX_NAMED_BOXES = 12


@dataclass(frozen=True, slots=True)
class Entry:
    """One annotation: a caption, interactions or a text; or the reason why it cannot be read."""

    annotation: Annotation
    caption: Caption | None = None
    interactions: tuple[Interaction, ...] = ()
    text: str = ""
    problem: str = ""


@dataclass(slots=True)
class Sheet:
    """The annotations of one asset, in the order of the database."""

    asset: Asset
    entries: list[Entry] = field(default_factory=list)

    @property
    def groups(self) -> list[Group]:
        return [group for entry in self.entries if entry.caption for group in entry.caption.groups]

    @property
    def drawn(self) -> list[Group]:
        """The groups that can be seen, the largest boxes first."""
        return drawing.back_to_front(self.groups)

    @property
    def boxes(self) -> int:
        return sum(group.count for group in self.groups)

    @property
    def names_shown(self) -> bool:
        return self.boxes <= MAX_NAMED_BOXES

    @property
    def letter_size(self) -> str:
        """The size of letters on the image, in px of the image: small beside it whatever its size."""
        return f"{max(self.asset.width, self.asset.height) / 52:.2f}"

    @property
    def has_picture(self) -> bool:
        return bool(self.asset.file)

    @property
    def shown_as_uploaded(self) -> bool:
        """Whether browsers draw the uploaded bytes; where not, the thumbnail stands in."""
        return self.asset.mime_type in SHOWN_TYPES


def sheet_of(asset: Asset, *, ranked: Sequence[str] = ()) -> Sheet:
    """The sheet of `asset`; `ranked` are the dataset's most frequent phrases. One query."""
    rows = [(annotation, _parsed(annotation)) for annotation in asset.annotations.order_by("pk")]
    tone_of = drawing.tones(
        (
            phrase.phrase
            for _, contents in rows
            if isinstance(contents, PhraseGrounding)
            for phrase in contents.grounded_phrases
        ),
        ranked=ranked,
    )
    sheet = Sheet(asset)
    for annotation, contents in rows:
        sheet.entries.append(_entry(annotation, contents, asset, tone_of, len(sheet.groups) + 1))
    return sheet


def pairs_of(kept: Mapping[str, object] | None) -> list[tuple[str, str]]:
    """What programs keep with an asset or a dataset, in words, by key."""
    words = {True: "true", False: "false"}
    return [(key, words[v] if isinstance(v, bool) else str(v)) for key, v in sorted((kept or {}).items())]


@dataclass(frozen=True, slots=True)
class Text:
    asset: Asset
    text: str


def latest_texts(dataset: Dataset, *, count: int) -> list[Text]:
    """What was last written freely in `dataset`. One query."""
    rows = Annotation.objects.filter(asset__dataset=dataset).select_related("asset").order_by("-pk")[:count]
    parsed = [(row.asset, _parsed(row)) for row in rows]
    return [Text(asset, contents.text) for asset, contents in parsed if isinstance(contents, Freeform)]


def _parsed(annotation: Annotation) -> Contents | ContentsError:
    try:
        return annotation.parsed
    except ContentsError as error:
        return error


def _entry(
    annotation: Annotation, contents: Contents | ContentsError, asset: Asset, tone_of: dict[str, int], first_number: int
) -> Entry:
    match contents:
        case PhraseGrounding():
            caption = drawing.draw(
                contents,
                width=asset.width,
                height=asset.height,
                tone_of=tone_of,
                first_number=first_number,
            )
            return Entry(annotation, caption=caption)
        case Vqa(interactions=interactions):
            return Entry(annotation, interactions=tuple(sorted(interactions, key=lambda each: each.order)))
        case Freeform(text=text):
            return Entry(annotation, text=text)
        case ContentsError():
            return Entry(annotation, problem=str(contents))
