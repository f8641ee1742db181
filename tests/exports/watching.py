"""The job history as a member sees it: the newest row of it, or the whole page."""

from __future__ import annotations

import re
from typing import Any

from django.test import Client
from django.urls import reverse

from datasets.models import Dataset
from exports.export_rows import ExportRow
from exports.history import history
from vi_portal.accounts.models import Membership, User


def row_of(dataset: Dataset, user: User) -> ExportRow:
    """The newest row, as `user` sees it."""
    membership = Membership.objects.get(user=user, organization=dataset.organization)
    row = history(dataset, membership, page=None).rows[0]
    assert isinstance(row, ExportRow)
    return row


def shown(client: Client, dataset: Dataset, name: str = "job-history", **query: Any) -> str:
    response = client.get(reverse(name, args=[dataset.pk]), query)
    assert response.status_code == 200
    return re.sub(r"\s+", " ", response.content.decode())
