"""The export dialog's fields, parsed into the same frozen `ExportSpec` that every other door makes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

from django import forms

from datasets.filters import AssetFilter
from datasets.models import Dataset
from exports.registry import FORMATS, Format
from exports.spec import DEFAULT_FORMAT, ExportSpec, SpecError, parse_ratio, parse_seed

DEFAULT_RATIO = "0.2"

T = TypeVar("T")


class FormatCard(NamedTuple):
    """A format to choose, as the dialog shows it."""

    format: Format
    chosen: bool


class ExportForm(forms.Form):
    """What the dialog asks. `search`, `annotated` and `label` carry the filter of the Assets page; it counts
    while `filtered` is on.
    """

    format = forms.CharField(error_messages={"required": "Choose a format."})
    include_images = forms.BooleanField(required=False)
    split = forms.BooleanField(required=False)
    validation_ratio = forms.CharField(required=False)
    normalized = forms.BooleanField(required=False)
    seed = forms.CharField(required=False)
    filtered = forms.BooleanField(required=False)
    search = forms.CharField(required=False, widget=forms.HiddenInput)
    annotated = forms.CharField(required=False, widget=forms.HiddenInput)
    label = forms.CharField(required=False, strip=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, dataset: Dataset, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.dataset = dataset
        self._spec = ExportSpec()

    @classmethod
    def blank(cls, dataset: Dataset, carried: AssetFilter) -> ExportForm:
        """The form as the dialog opens: the default format that fits, and the filter carried along.

        It is filled in, so that its preview is there at once.
        """
        fitting = formats_for(dataset)
        chosen = next((each for each in fitting if each.key == DEFAULT_FORMAT), fitting[0])
        filled: dict[str, Any] = {
            "format": chosen.key,
            "include_images": chosen.images_by_default,
            "validation_ratio": DEFAULT_RATIO,
            "filtered": True,
        }
        return cls(filled | carried.as_dict(), dataset=dataset)

    @property
    def spec(self) -> ExportSpec:
        """What is asked, with the defaults in place of whatever is refused."""
        self.is_valid()
        return self._spec

    @property
    def cards(self) -> list[FormatCard]:
        """The formats that can hold the dataset's annotations."""
        chosen = self["format"].value()
        return [FormatCard(each, each.key == chosen) for each in formats_for(self.dataset)]

    @property
    def images_always(self) -> bool:
        """Whether the format chosen leaves no choice of images."""
        chosen = FORMATS.get(self["format"].value())
        return chosen is not None and chosen.paired

    @property
    def carried(self) -> AssetFilter:
        """The filter the form carries, counted in or not."""
        return AssetFilter.parse({name: self[name].value() for name in ("search", "annotated", "label")})

    def clean(self) -> dict[str, Any]:
        """Parse the fields into `spec`; what is refused becomes an error of its field, in the spec's own words."""
        given = self.cleaned_data
        spec = ExportSpec(
            include_images=given.get("include_images", False),
            normalized=given.get("normalized", False),
            filter=self.carried if given.get("filtered") else AssetFilter(),
        )
        if "format" in given:
            asked = replace(spec, format=given["format"])
            spec = self._accepted(lambda: _checked(asked, self.dataset), otherwise=spec)
        if given.get("split"):
            ratio = self._accepted(lambda: parse_ratio(given.get("validation_ratio", "")), otherwise=None)
            seed = self._accepted(lambda: parse_seed(given.get("seed", "")), otherwise=None)
            spec = replace(spec, validation_ratio=ratio, seed=seed)
        self._spec = spec
        return given

    def refuse(self, error: SpecError) -> None:
        """Show `error` beside the field it is about."""
        field = "filtered" if error.field == "filter" else error.field
        self.add_error(field if field in self.fields else None, str(error))

    def _accepted(self, parse: Callable[[], T], *, otherwise: T) -> T:
        try:
            return parse()
        except SpecError as error:
            self.refuse(error)
            return otherwise


def formats_for(dataset: Dataset) -> list[Format]:
    """The formats that can hold the annotations of `dataset`."""
    return [each for each in FORMATS.values() if dataset.type in each.dataset_types]


def _checked(spec: ExportSpec, dataset: Dataset) -> ExportSpec:
    spec.check(dataset)
    return spec
