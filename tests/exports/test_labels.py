"""The labels of a dataset: what a label map numbers, and when they are looked for anew."""

from __future__ import annotations

import pytest
from django.db import OperationalError, connections
from django.test.utils import CaptureQueriesContext

from datasets.contents import PhraseGrounding
from datasets.filters import AssetFilter
from datasets.models import Dataset, LabelVocabulary
from datasets.removal import purge_deleted, remove_dataset
from exports.models import ExportJob
from exports.preview import preview
from exports.sources import Source, vocabulary
from exports.spec import ExportSpec
from tests import cast
from tests.exports.reading import export, members
from vi_portal.jobs.models import State

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "snapshot"])


@pytest.mark.parametrize("at_a_time", [1, 2, 3, 4, 100])
def test_labels_are_numbered_over_the_whole_dataset(
    valves: Dataset, monkeypatch: pytest.MonkeyPatch, at_a_time: int
) -> None:
    other = cast.make_dataset(valves.organization, name="Others")
    for n, words in enumerate(["zebra", "", "apple, pie", "ünï 赤い", "apple, pie", 'quo"te\\', "Zed"]):
        asset = cast.make_asset(valves, f"{n}.jpg")
        cast.make_asset(valves, f"{n}-unannotated.jpg")
        if words:
            cast.make_annotation(asset, cast.grounding(f"A {words} here", words))
            cast.make_annotation(asset, PhraseGrounding("Nothing to see", []))
            cast.make_annotation(cast.make_asset(other, f"{n}.jpg"), cast.grounding("another", "another"))
    monkeypatch.setattr(vocabulary, "_ASSETS_A_TALLY", at_a_time)
    spec = ExportSpec(format="ViTfrecord", filter=AssetFilter(search="0.jpg"))
    with Source.open(valves, spec) as source:
        assert source.labels() == ("Zed", "apple, pie", 'quo"te\\', "zebra", "ünï 赤い")
    with Source.open(cast.make_dataset(valves.organization, name="Empty"), spec) as source:
        assert source.labels() == ()


def test_labels_are_looked_for_again_when_the_dataset_changed(valves: Dataset) -> None:
    spec = ExportSpec(format="ViTfrecord")
    read: list[bool] = []

    def labels() -> tuple[str, ...]:
        with Source.open(valves, spec) as source, CaptureQueriesContext(connections["snapshot"]) as queries:
            found = source.labels(keep=True)
        read.append(any("group_concat" in query["sql"] or "string_agg" in query["sql"] for query in queries))
        return found

    annotation = cast.make_annotation(cast.make_asset(valves, "a.jpg"), cast.grounding("one valve", "valve"))
    assert labels() == labels() == ("valve",)
    valves.rewrite_annotation(annotation, cast.grounding("one wheel", "wheel"))
    assert labels() == labels() == ("wheel",)
    assert read == [True, False, True, False]


def test_labels_of_an_earlier_moment_are_kept_beside_later_ones(valves: Dataset) -> None:
    for revision in range(10):
        LabelVocabulary.keep(valves, revision, [f"label {revision}"])
        LabelVocabulary.keep(valves, revision, [f"label {revision}"])  # two have found them at once
    assert LabelVocabulary.known(valves, 9) == ("label 9",)
    assert LabelVocabulary.known(valves, 8) == ("label 8",)
    assert LabelVocabulary.known(valves, 0) is None
    assert LabelVocabulary.known(cast.make_dataset(valves.organization, name="Other"), 9) is None


def test_labels_that_others_still_read_are_kept(valves: Dataset) -> None:
    for revision in range(10):
        LabelVocabulary.keep(valves, revision, [f"label {revision}"], besides=[2, 7])
    known = [revision for revision in range(10) if LabelVocabulary.known(valves, revision)]
    assert known == [2, 6, 7, 8, 9]


def test_an_export_does_not_need_its_labels_kept(valves: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    cast.make_annotation(cast.make_asset(valves, "a.jpg"), cast.grounding("one valve", "valve"))

    def refused(*_: object, **__: object) -> None:
        raise OperationalError("database or disk is full")

    monkeypatch.setattr(LabelVocabulary, "keep", refused)
    job = export(valves, format="ViTfrecord")
    assert job.state == State.FINISHED
    assert b'name: "valve"' in members(job)["label_map.pbtxt"]


def test_a_preview_keeps_nothing(valves: Dataset) -> None:
    cast.make_annotation(cast.make_asset(valves, "a.jpg"), cast.grounding("one valve", "valve"))
    shown = preview(ExportSpec(format="ViTfrecord"), dataset=valves)
    assert shown.first is not None
    assert "valve" in shown.first.text
    assert not LabelVocabulary.objects.exists()


def test_the_labels_of_a_deleted_dataset_go_before_its_archives(valves: Dataset) -> None:
    cast.make_annotation(cast.make_asset(valves, "a.jpg"), cast.grounding("one valve", "valve"))
    job = export(valves, format="ViTfrecord")
    assert LabelVocabulary.objects.exists()
    remove_dataset(valves, by="Ana")
    purge_deleted()
    assert not LabelVocabulary.objects.exists()
    assert ExportJob.objects.filter(pk=job.pk).exists()
