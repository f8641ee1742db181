"""What is annotated: datasets, their assets (images) and the annotations on them; and how they come and go.

Every model of the app is named here, where Django looks for them.
"""

from datasets.models.annotation import RENDERED_COLUMNS, Annotation, IsJson
from datasets.models.asset import IMAGE_COLUMNS, Asset, AssetQuerySet, ImageFacts
from datasets.models.bulk_deletion import BulkAssetDeletion
from datasets.models.dataset import (
    Dataset,
    DatasetManager,
    DatasetQuerySet,
    DatasetType,
    NewAnnotation,
    NewAsset,
    WrongContentsType,
)
from datasets.models.imports import ImportFile, ImportJob, ImportSession, Policy
from datasets.models.ingestion import Code, IngestionSession, IngestionSlot, SlotState
from datasets.models.label_vocabulary import LabelVocabulary
from datasets.models.uids import new_uid

__all__ = [
    "IMAGE_COLUMNS",
    "RENDERED_COLUMNS",
    "Annotation",
    "Asset",
    "AssetQuerySet",
    "BulkAssetDeletion",
    "Code",
    "Dataset",
    "DatasetManager",
    "DatasetQuerySet",
    "DatasetType",
    "ImageFacts",
    "ImportFile",
    "ImportJob",
    "ImportSession",
    "IngestionSession",
    "IngestionSlot",
    "IsJson",
    "LabelVocabulary",
    "NewAnnotation",
    "NewAsset",
    "Policy",
    "SlotState",
    "WrongContentsType",
    "new_uid",
]
