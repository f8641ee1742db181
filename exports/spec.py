"""What is asked of an export, and whether it can be had. Every door parses into the same frozen `ExportSpec`."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from datasets.filters import AssetFilter
from datasets.models import Dataset
from exports.registry import FORMATS, Format

MAX_SEED = 2**53 - 1
DEFAULT_FORMAT = "ViJsonl"


class SpecError(ValueError):
    """The export cannot be had as asked. `field` names the option; the message is a sentence for the user."""

    def __init__(self, field_name: str, message: str) -> None:
        super().__init__(message)
        self.field = field_name


@dataclass(frozen=True, slots=True)
class ExportSpec:
    """What somebody wants written.

    `validation_ratio` is the share of records that goes to the validation part, None for no split. `seed` makes
    the split repeatable; `resolved` draws one where none was given. A format that cannot do without images includes
    them, asked or not.
    """

    format: str = DEFAULT_FORMAT
    include_images: bool = False
    validation_ratio: Decimal | None = None
    normalized: bool = False
    seed: int | None = None
    filter: AssetFilter = field(default_factory=AssetFilter)

    def __post_init__(self) -> None:
        if self.format in FORMATS and self.encoding.paired:
            object.__setattr__(self, "include_images", True)

    def check(self, dataset: Dataset) -> None:
        """Raise `SpecError` for what `dataset` cannot be exported as."""
        if self.format not in FORMATS:
            raise SpecError("format", f"“{self.format[:40]}” is not a format. Choose one of: {', '.join(FORMATS)}.")
        if dataset.type not in self.encoding.dataset_types:
            raise SpecError(
                "format",
                f"{self.encoding.label} cannot hold {dataset.get_type_display().lower()} annotations. "
                f"Choose one of: {', '.join(key for key, f in FORMATS.items() if dataset.type in f.dataset_types)}.",
            )

    def resolved(self) -> ExportSpec:
        """The same, with a fresh seed where the split needs one, and none where there is no split."""
        if self.validation_ratio is None:
            return replace(self, seed=None)
        return self if self.seed is not None else replace(self, seed=secrets.randbelow(2**31))

    @property
    def encoding(self) -> Format:
        return FORMATS[self.format]

    def as_dict(self) -> dict[str, Any]:
        """JSON for the job's row and the receipt; `from_dict` reads it back."""
        return {
            "format": self.format,
            "include_images": self.include_images,
            "validation_ratio": None if self.validation_ratio is None else str(self.validation_ratio),
            "normalized": self.normalized,
            "seed": self.seed,
            "filter": self.filter.as_dict(),
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> ExportSpec:
        ratio = stored["validation_ratio"]
        return cls(
            format=stored["format"],
            include_images=stored["include_images"],
            validation_ratio=None if ratio is None else Decimal(ratio),
            normalized=stored["normalized"],
            seed=stored["seed"],
            filter=AssetFilter.parse(stored["filter"]),
        )

    def in_words(self) -> str:
        """Format and options as one sentence, as the job history shows them."""
        words = [self.encoding.label if self.format in FORMATS else self.format]
        words.append("with images" if self.include_images else "annotations only")
        words.append("normalized boxes" if self.normalized else "boxes in pixels")
        if self.validation_ratio is not None:
            words.append(f"{self.validation_ratio} to validation (seed {self.seed})")
        if self.filter:
            words.append(f"only assets where {self.filter.in_words()}")
        return ", ".join(words)


def parse_ratio(text: str) -> Decimal:
    """The ratio typed, exactly. Raises `SpecError` for anything but a plain number from 0 to 1."""
    text = text.strip()
    if not text:
        raise SpecError("validation_ratio", "Enter a ratio from 0 to 1, like 0.2, or switch the split off.")
    if not re.fullmatch(r"[0-9]{1,3}(\.[0-9]{0,12})?|\.[0-9]{1,12}", text, re.ASCII) or Decimal(text) > 1:
        raise SpecError(
            "validation_ratio",
            f"“{text[:40]}” is not a ratio. Enter a plain number from 0 to 1 with a decimal point, like 0.2: "
            "the share of assets held back for validation.",
        )
    return Decimal(text)


def parse_seed(text: str) -> int | None:
    """The seed typed; None for an empty text. Raises `SpecError`."""
    text = text.strip()
    if not text:
        return None
    if not re.fullmatch(r"[0-9]{1,16}", text, re.ASCII) or int(text) > MAX_SEED:
        raise SpecError("seed", f"“{text[:40]}” is not a seed. Enter a whole number from 0 to {MAX_SEED}.")
    return int(text)
