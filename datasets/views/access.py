"""What the pages of a dataset begin with: the dataset asked for, and whether this person may change it."""

from __future__ import annotations

from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.shortcuts import get_object_or_404

from datasets.models import Dataset
from vi_portal.accounts.models import Membership
from vi_portal.accounts.requests import SignedInRequest

MAY_NOT_EDIT = "You may look at this dataset, but not change it. Ask an owner of the organization to allow it."


def membership_in(request: SignedInRequest, dataset: Dataset) -> Membership:
    """What the person who asks is where `dataset` belongs, and so what they may do with it."""
    return Membership.objects.get(user=request.user, organization=dataset.organization_id)


def may_edit(request: SignedInRequest, dataset: Dataset) -> bool:
    """Whether the person who asks may change `dataset`."""
    return membership_in(request, dataset).may_edit


def dataset_to_see(request: SignedInRequest, pk: UUID) -> Dataset:
    """The dataset, if this person may look at it. Raises `Http404`."""
    visible = Dataset.objects.visible_to(request.user).select_related("organization")
    dataset: Dataset = get_object_or_404(visible, pk=pk)
    return dataset


def dataset_to_edit(request: SignedInRequest, pk: UUID) -> Dataset:
    """The dataset, if this person may change it. Raises `Http404` or `PermissionDenied`."""
    dataset = dataset_to_see(request, pk)
    if not may_edit(request, dataset):
        raise PermissionDenied(MAY_NOT_EDIT)
    return dataset
