"""Annotations as the API tells of them: one caption each, and one box each for the boxes of its phrases.

The client knows no other kinds, so questions with answers and free texts are told as captions too. Boxes are four
corners in fractions of the image, clockwise from the top left.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

from datasets import contents as contents_module
from datasets.api.addresses import annotation_id, dataset_id, dataset_link
from datasets.contents import Freeform, PhraseGrounding, Vqa
from datasets.geometry import Box
from datasets.models import Annotation, Asset, Dataset
from vi_portal.api.etags import etag_of
from vi_portal.api.schemas import ResourceMetadata, WireSchema, resource_metadata

CAPTION, BOX = "Caption", "PhraseGroundingBoundingBox"


class Whole(WireSchema):
    id: str


class Part(WireSchema):
    role: str


class Aggregation(WireSchema):
    """Which record this is a part of, and as what."""

    whole: Whole
    this_part: Part


class CaptionContents(WireSchema):
    kind: str = CAPTION
    contents: str


class BoxContents(WireSchema):
    kind: str = BOX
    bound: list[tuple[float, float]]
    target: tuple[int, int]


class AnnotationSpec(WireSchema):
    bound_type: str
    tag: int = 0
    aggregation: Aggregation
    contents: CaptionContents | BoxContents


class AnnotationOut(WireSchema):
    kind: str = "Annotation"
    annotation_id: str
    asset_id: str
    workspace_id: str
    dataset_id: str
    spec: AnnotationSpec
    metadata: ResourceMetadata
    self_link: str
    etag: str


class AnnotationPage(WireSchema):
    items: list[AnnotationOut]
    next_page: str | None = None


def annotation_etag(annotation: Annotation) -> str:
    return etag_of(annotation.pk, annotation.contents)


def annotation_parts(annotation: Annotation, *, asset: Asset, dataset: Dataset) -> Iterator[AnnotationOut]:
    """The wire's view of `annotation`, an annotation of `asset`: the caption, then its boxes from 1 on."""
    contents = contents_module.parse(annotation.contents_normalized or annotation.contents)
    yield _part(annotation, None, CaptionContents(contents=_text(contents)), asset, dataset)
    if isinstance(contents, PhraseGrounding):
        numbers = count(1)
        for phrase in contents.grounded_phrases:
            for box in phrase.bounds:
                told = BoxContents(bound=_corners(box), target=(phrase.start_token_index, phrase.end_token_index))
                yield _part(annotation, next(numbers), told, asset, dataset)


def _text(contents: contents_module.Contents) -> str:
    match contents:
        case PhraseGrounding(caption=caption):
            return caption
        case Vqa(interactions=interactions):
            return "\n".join(f"Q: {each.question}\nA: {each.answer}" for each in interactions)
        case Freeform(text=text):
            return text


def _corners(box: Box) -> list[tuple[float, float]]:
    left, top, right, bottom = box
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def _part(
    annotation: Annotation, number: int | None, told: CaptionContents | BoxContents, asset: Asset, dataset: Dataset
) -> AnnotationOut:
    named = annotation_id(annotation, number)
    return AnnotationOut(
        annotation_id=named,
        asset_id=asset.uid,
        workspace_id=str(dataset.organization_id),
        dataset_id=dataset_id(dataset),
        spec=AnnotationSpec(
            bound_type=told.kind,
            aggregation=Aggregation(whole=Whole(id=annotation_id(annotation)), this_part=Part(role=told.kind)),
            contents=told,
        ),
        metadata=resource_metadata(created=annotation.created_at, updated=annotation.updated_at),
        self_link=f"{dataset_link(dataset)}/assets/{asset.uid}/annotations/{named}",
        etag=annotation_etag(annotation),
    )
