"""The export dialog: its preview, its errors, and what it says instead of an empty zip."""

from __future__ import annotations

import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from datasets.contents import PhraseGrounding
from datasets.filters import AssetFilter
from datasets.models import Annotation, Dataset
from exports.models import ExportJob
from exports.preview import MAX_TEXT, preview
from exports.spec import ExportSpec
from tests import cast
from vi_portal.accounts.models import Organization

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "snapshot"])

OPTIONS = {"format": "ViJsonl", "validation_ratio": "0.2", "filtered": "on"}
HTMX = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def nothing_kept() -> None:
    cache.clear()


@pytest.fixture
def valves(valves: Dataset) -> Dataset:
    """Ten annotated assets and two that are not."""
    cast.make_annotated(valves, 10)
    for number in range(2):
        cast.make_asset(valves, f"bare_{number}.jpg")
    return valves


def split(ratio: str) -> ExportSpec:
    return ExportSpec(validation_ratio=Decimal(ratio))


def text_of(response: Any) -> str:
    assert response.status_code == 200
    return re.sub(r"\s+", " ", response.content.decode())


def previewed(client: Client, dataset: Dataset, **fields: str) -> str:
    return text_of(client.post(reverse("export-preview", args=[dataset.pk]), OPTIONS | fields, headers=HTMX))


# What is counted


def test_assets_without_annotations_produce_no_records(valves: Dataset) -> None:
    found = preview(ExportSpec(), dataset=valves)
    assert (found.counts.selected, found.unannotated, found.records) == (12, 2, 10)
    assert (found.train, found.validation) == (None, None)


@pytest.mark.parametrize(
    ("ratio", "train", "validation"), [("0.2", 8, 2), ("0", 10, 0), ("1", 0, 10), ("0.01", 9, 1), ("0.99", 1, 9)]
)
def test_the_split_is_counted(valves: Dataset, ratio: str, train: int, validation: int) -> None:
    found = preview(split(ratio), dataset=valves)
    assert (found.train, found.validation) == (train, validation)


def test_the_filter_counts(valves: Dataset) -> None:
    found = preview(ExportSpec(filter=AssetFilter(search="image_000")), dataset=valves)
    assert (found.counts.selected, found.records) == (10, 10)
    found = preview(ExportSpec(filter=AssetFilter(annotated="no")), dataset=valves)
    assert (found.counts.selected, found.records, found.first) == (2, 0, None)


def test_images_weigh_only_when_included(acme: Organization) -> None:
    dataset = cast.make_dataset(acme, name="Weighed")
    for name in ("a.jpg", "b.jpg"):
        cast.make_annotation(cast.make_asset(dataset, name, size=1_000_000))
    cast.make_asset(dataset, "bare.jpg", size=5_000_000)
    assert preview(ExportSpec(), dataset=dataset).estimated_size < 10_000
    with_images = preview(ExportSpec(include_images=True), dataset=dataset).estimated_size
    assert 2_000_000 < with_images < 2_010_000


def test_an_asset_without_an_image_makes_no_record_where_the_format_needs_one(acme: Organization) -> None:
    dataset = cast.make_dataset(acme, name="Pictured")
    for name in ("a.jpg", "B.JPG", "b.png", "c.jpg"):
        cast.make_annotation(cast.make_asset(dataset, name, image=cast.jpeg() if name != "a.jpg" else None))
    cast.make_asset(dataset, "bare.jpg")
    found = preview(ExportSpec("ViFull", validation_ratio=Decimal("0.3")), dataset=dataset)
    assert (found.counts.selected, found.unannotated, found.imageless, found.records) == (5, 1, 1, 3)
    assert (found.train, found.validation) == (2, 1)
    assert found.estimated_size > 3 * len(cast.jpeg())
    assert found.first is not None
    assert found.first.filename == "B.JPG"
    assert '"filename": "B~' in found.first.text
    assert preview(ExportSpec("ViJsonl"), dataset=dataset).records == 4


def test_an_edit_shows_in_the_next_preview(valves: Dataset) -> None:
    assert preview(ExportSpec(), dataset=valves).records == 10
    cast.make_annotated(valves, 1, start=10)
    assert preview(ExportSpec(), dataset=valves).records == 11


def test_changing_options_counts_nothing_anew(valves: Dataset) -> None:
    preview(ExportSpec(), dataset=valves)
    with CaptureQueriesContext(connections["default"]) as queries:
        assert preview(split("0.5"), dataset=valves).validation == 5
    assert len(queries) == 0


# The first record


def test_the_first_record_is_shown_as_it_will_be_written(valves: Dataset) -> None:
    first = preview(ExportSpec(), dataset=valves).first
    assert first is not None
    assert first.filename == "image_0000.jpg"
    assert '"filename": "image_0000.jpg"' in first.text
    assert re.sub(r"\s", "", '"bounds": [[100, 200, 300, 400]]') in re.sub(r"\s", "", first.text)


def test_normalized_boxes_are_shown_normalized(valves: Dataset) -> None:
    first = preview(ExportSpec(normalized=True), dataset=valves).first
    assert first is not None
    assert "[[0.1,0.25,0.3,0.5]]" in re.sub(r"\s", "", first.text)


def test_a_tfrecord_is_shown_with_the_numbers_of_its_labels(valves: Dataset) -> None:
    asset = valves.assets.get(filename="image_0000.jpg")
    cast.make_annotation(asset, cast.grounding("A gauge", "gauge"))
    first = preview(ExportSpec("ViTfrecord"), dataset=valves).first
    assert first is not None
    assert '"image/object/class/text": ["red valve","gauge"]' in first.text
    assert '"image/object/class/label": [2,1]' in first.text


def test_a_record_that_cannot_be_read_is_passed_over(valves: Dataset) -> None:
    Annotation.objects.filter(asset__filename="image_0000.jpg").update(contents='{"type":"Nonsense"}')
    first = preview(ExportSpec(), dataset=valves).first
    assert first is not None
    assert first.filename == "image_0001.jpg"


def test_a_record_with_many_repairs_is_shown_before_anything_was_exported(
    acme: Organization, settings: Any, tmp_path: Path
) -> None:
    settings.SPOOL_DIR = tmp_path / "not made yet"
    dataset = cast.make_dataset(acme, name="Flawed")
    outside = [(10, 10, 2000, 20 + number) for number in range(700)]
    cast.make_annotation(cast.make_asset(dataset), cast.grounding("A red valve", "red valve", *outside))
    first = preview(ExportSpec(), dataset=dataset).first
    assert first is not None
    assert "red valve" in first.text


def test_a_long_record_is_shortened(acme: Organization) -> None:
    dataset = cast.make_dataset(acme, name="Long")
    caption = "word " * 5000 + "red valve"
    cast.make_annotation(cast.make_asset(dataset), cast.grounding(caption, "red valve"))
    first = preview(ExportSpec(), dataset=dataset).first
    assert first is not None
    assert (len(first.text), first.shortened) == (MAX_TEXT, True)


def test_the_web_process_loads_no_tensorflow_for_a_preview() -> None:
    script = """
import sys
from datasets.contents import Vqa, Interaction
from exports.records import AnnotationRecord, Options, Record
from exports.registry import FORMATS
contents = Vqa([Interaction(1, "Is it open?", "No")])
record = Record("1", "a.jpg", "a.jpg", 10, 10, "", (AnnotationRecord("1", None, contents),))
assert "Is it open?" in FORMATS["ViTfrecord"].preview(record, Options(False, False, ("No",)))
assert "tensorflow" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parents[2], check=True)


# The dialog


def test_the_dialog_opens_with_its_preview(as_ana: Client, valves: Dataset) -> None:
    dialog = text_of(as_ana.get(reverse("export", args=[valves.pk]), headers=HTMX))
    assert "<html" not in dialog
    assert "data-modal" in dialog
    assert 'name="include_images" id="include-images" checked' in dialog
    assert "The first record, image_0000.jpg" in dialog
    assert 'data-images="on"' in dialog
    assert 'data-images="off"' in dialog


def test_without_htmx_the_same_is_a_page(as_ana: Client, valves: Dataset) -> None:
    page = text_of(as_ana.get(reverse("export", args=[valves.pk]), {"search": "image_0003"}))
    assert "<html" in page
    assert "data-modal" not in page
    assert "the file name contains “image_0003”" in page
    assert '<input type="hidden" name="search" value="image_0003"' in page
    page = text_of(as_ana.post(reverse("export-preview", args=[valves.pk]), OPTIONS | {"split": "on"}))
    assert "<html" in page
    assert "(8 train, 2 validation)" in page


def test_the_preview_follows_the_options(as_ana: Client, valves: Dataset) -> None:
    assert "train," not in previewed(as_ana, valves)
    assert "(5 train, 5 validation)" in previewed(as_ana, valves, split="on", validation_ratio="0.5")
    assert "image/object/bbox/xmin" in previewed(as_ana, valves, format="ViTfrecord")
    assert ExportJob.objects.count() == 0


@pytest.mark.parametrize("typed", ["1.2", "-0.1", "nan", "1e400", "0,2", ""])
@pytest.mark.parametrize("name", ["export", "export-preview"])
def test_a_wrong_ratio_is_told_beside_its_field(as_ana: Client, valves: Dataset, typed: str, name: str) -> None:
    fields = OPTIONS | {"split": "on", "validation_ratio": typed, "seed": "7"}
    dialog = text_of(as_ana.post(reverse(name, args=[valves.pk]), fields, headers=HTMX))
    assert 'aria-describedby="validation-ratio-hint error-validation_ratio" aria-invalid="true"' in dialog
    error = dialog.split('id="error-validation_ratio"')[1].split("</div>")[0]
    assert (f"“{typed}” is not a ratio" if typed else "Enter a ratio from 0 to 1") in error
    assert f'name="validation_ratio" id="validation-ratio" value="{typed}"' in dialog
    assert 'name="seed" id="seed" value="7"' in dialog
    assert ExportJob.objects.count() == 0


def test_a_wrong_seed_is_told_beside_its_field(as_ana: Client, valves: Dataset) -> None:
    dialog = previewed(as_ana, valves, split="on", seed="<seven>")
    assert "“&lt;seven&gt;” is not a seed" in dialog.split('id="error-seed"')[1]


def test_a_filter_that_excludes_everything_is_refused_with_the_reason(as_ana: Client, valves: Dataset) -> None:
    fields = OPTIONS | {"search": "nowhere"}
    assert "there is nothing to export" in previewed(as_ana, valves, search="nowhere")
    dialog = text_of(as_ana.post(reverse("export", args=[valves.pk]), fields, headers=HTMX))
    assert "the file name contains “nowhere”" in dialog.split('id="error-filtered"')[1]
    assert ExportJob.objects.count() == 0


def test_a_dataset_without_annotations_is_refused_with_the_reason(as_ana: Client, acme: Organization) -> None:
    empty = cast.make_dataset(acme, name="<i>Empty</i>")
    dialog = text_of(as_ana.post(reverse("export", args=[empty.pk]), OPTIONS, headers=HTMX))
    assert "“&lt;i&gt;Empty&lt;/i&gt;” has no annotations yet" in dialog.split('id="error-filtered"')[1]
    assert ExportJob.objects.count() == 0


def test_hostile_contents_are_shown_as_text(as_ana: Client, acme: Organization) -> None:
    dataset = cast.make_dataset(acme, name="<script>alert(1)</script>")
    caption = "A <script>alert(2)</script> valve"
    cast.make_annotation(cast.make_asset(dataset, "<img src=x>.jpg"), PhraseGrounding(caption, []))
    dialog = text_of(as_ana.get(reverse("export", args=[dataset.pk]), headers=HTMX))
    assert "<script>" not in dialog
    assert "<img" not in dialog
    assert "&lt;script&gt;alert(2)&lt;/script&gt; valve" in dialog
