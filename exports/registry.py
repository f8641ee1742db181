"""The formats there are: one literal table. A line adds a format; forms, checks, pages and docs read it from here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Literal

from exports.records import Member, Options, Record, Run

# As in `datasets.models.DatasetType`; read without Django, as the encoders are.
PHRASE_GROUNDING, VQA, FREEFORM = "phrase-grounding", "vqa", "freeform"


@dataclass(frozen=True, slots=True)
class Format:
    """One way to write annotations.

    `encoder` is the path of a module in `exports.formats` with `encode`, `companions` and `preview`, imported when
    first used.
    `images` says where the images go when asked for: beside the annotations, or inside their records. Where they
    are `paired`, there is no choice: a record without its image is left out, and the encoder asks for each record
    between two members.
    `typed` formats need the contents decoded; others pass the stored text through. Formats that have `numbers` give
    every label of the dataset one. What a run has, and so what can be written at once, is at most `records_a_run`,
    and about `image_bytes_a_run` of images. `folders` names the folders of the parts, where they
    are not the parts' names.
    """

    key: str
    label: str
    summary: str
    dataset_types: tuple[str, ...]
    encoder: str
    images: Literal["beside", "inside", "paired"]
    images_by_default: bool
    typed: bool
    records_a_run: int
    image_bytes_a_run: int = 128 * 1024 * 1024
    numbers: bool = False
    folders: Mapping[str, str] = field(default_factory=dict)

    @property
    def paired(self) -> bool:
        """Whether a record is nothing without its image."""
        return self.images == "paired"

    @property
    def offers_images(self) -> Literal["on", "off", "always"]:
        """How the choice of images opens."""
        if self.paired:
            return "always"
        return "on" if self.images_by_default else "off"

    def folder(self, part: str) -> str:
        """The folder of `part` in the archive, empty for none."""
        return self.folders.get(part, part)

    def encode(self, run: Run, options: Options) -> Iterator[Member]:
        """The members, or pieces of members, that hold the records of `run`."""
        encode: Callable[[Run, Options], Iterator[Member]] = import_module(self.encoder).encode
        return encode(run, options)

    def companions(self, options: Options) -> Iterator[Member]:
        """The members that go with the whole archive: label maps, readers, feature specifications."""
        companions: Callable[[Options], Iterator[Member]] = import_module(self.encoder).companions
        return companions(options)

    def preview(self, record: Record, options: Options) -> str:
        """`record` as a person may read it, close to how it will be written. Light enough for the web process."""
        preview: Callable[[Record, Options], str] = import_module(self.encoder).preview
        return preview(record, options)


FORMATS: dict[str, Format] = {
    entry.key: entry
    for entry in (
        Format(
            key="ViJsonl",
            label="Vi JSONL",
            summary="One JSON object a line, one line an asset. Easy to read with anything.",
            dataset_types=(PHRASE_GROUNDING, VQA, FREEFORM),
            encoder="exports.formats.vi_jsonl",
            images="beside",
            images_by_default=True,
            typed=False,
            records_a_run=2_500,
        ),
        Format(
            key="ViTfrecord",
            label="TFRecord",
            summary="Binary tf.train.Example records in shards, for TensorFlow input pipelines.",
            dataset_types=(PHRASE_GROUNDING, VQA),
            encoder="exports.formats.vi_tfrecord",
            images="inside",
            images_by_default=False,
            typed=True,
            records_a_run=5_000,
            numbers=True,
        ),
        Format(
            key="ViFull",
            label="ViFull",
            summary="Images, and a file for each with one line: the folders that ViDataset of vi-sdk loads.",
            dataset_types=(PHRASE_GROUNDING, VQA, FREEFORM),
            encoder="exports.formats.vi_full",
            images="paired",
            images_by_default=True,
            typed=True,
            records_a_run=1_000,
            folders={"": "dump", "train": "training"},
        ),
    )
}
