"""The page's own upload: images become assets at once, annotation files a job in the history.

The form works by itself; the script beside it sends the same form in small pieces and asks for JSON.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from datasets.imports import sessions
from datasets.imports.sessions import Policies
from datasets.models import Dataset
from datasets.uploads import arrival
from datasets.views.access import dataset_to_edit
from vi_portal.accounts.models import User
from vi_portal.accounts.requests import SignedInRequest
from vi_portal.s3.failures import StoreFailed

log = logging.getLogger(__name__)

_ANNOTATIONS = (".json", ".jsonl")
_SENTENCES: dict[arrival.Outcome, str] = {
    "created": "Added.",
    "replaced": "Its image was replaced; the annotations stay.",
    "already_there": "Already there.",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one file: a tone (good or bad) and a sentence; where it is to be seen, and its small picture."""

    name: str
    tone: str
    sentence: str
    address: str = ""
    picture: str = ""


@require_http_methods(["GET", "HEAD", "POST"])
def upload(request: SignedInRequest, pk: uuid.UUID) -> HttpResponse:
    """The upload form, and the files it sends: an outcome for each."""
    dataset = dataset_to_edit(request, pk)
    context = {"dataset": dataset, "tab": "assets", "may_edit": True}
    if request.method != "POST":
        return render(request, "datasets/upload.html", context)
    outcomes = _taken(dataset, request.FILES.getlist("files"), user=request.user)
    if "application/json" in request.headers.get("Accept", ""):
        return JsonResponse({"outcomes": [asdict(each) for each in outcomes]})
    return render(request, "datasets/upload.html", context | {"outcomes": outcomes, "is_answer": True})


def _taken(dataset: Dataset, files: Sequence[UploadedFile[Any]], *, user: User) -> list[Outcome]:
    """Take in each of `files`; the annotation files become one job."""
    if not files:
        return [Outcome("", "bad", "No file was chosen. Choose images or annotation files.")]
    outcomes, annotations = [], []
    for file in files:
        name = file.name or "file"
        if (file.size or 0) > settings.UPLOAD_MAX_MB * 2**20:
            outcomes.append(Outcome(name, "bad", f"Larger than {settings.UPLOAD_MAX_MB} MiB, the most that is taken."))
        elif PurePosixPath(name).suffix.lower() in _ANNOTATIONS:
            annotations.append(file)
        else:
            outcomes.append(_image_taken(dataset, file, name))
    if annotations:
        outcomes += _annotations_taken(dataset, annotations, user=user)
    return outcomes


def _image_taken(dataset: Dataset, file: UploadedFile[Any], name: str) -> Outcome:
    try:
        asset, outcome = arrival.take_image(dataset, file, filename=name, keep_linked=True)
    except arrival.Refused as refused:
        return Outcome(name, "bad", refused.message)
    except StoreFailed as error:
        log.warning("An image could not be stored: %s", error)
        return Outcome(name, "bad", f"It could not be stored. {error}")
    picture = f"{reverse('thumbnail', args=[dataset.pk, asset.uid])}?v={asset.sha256[:12]}"
    return Outcome(name, "good", _SENTENCES[outcome], asset.get_absolute_url(), picture)


def _annotations_taken(dataset: Dataset, files: Sequence[UploadedFile[Any]], *, user: User) -> list[Outcome]:
    session = sessions.open_session(dataset, user=user, policies=Policies())
    outcomes, names, history = [], set(), reverse("annotations", args=[dataset.pk])
    for file in files:
        name = file.name or "annotations.jsonl"
        if name in names:
            outcomes.append(Outcome(name, "bad", "Another file of this name was sent with it. Send it by itself."))
            continue
        names.add(name)
        try:
            sessions.add_file(session, name, file)
        except StoreFailed as error:
            log.warning("The files of an import could not be stored: %s", error)
            sessions.give_up(session, reason="UserUploadErrored")
            return [Outcome(name, "bad", f"It could not be stored, so nothing was imported. {error}")]
        told = "Being imported; the job history on the Annotations tab says how far it is."
        outcomes.append(Outcome(name, "good", told, history))
    sessions.start(session)
    return outcomes
