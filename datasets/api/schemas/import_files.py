"""The files of an annotation import on the wire: what was announced, and what could not be used."""

from __future__ import annotations

from datasets.imports.kept_files import path_of
from datasets.models import ImportJob, ImportSession
from vi_portal.api.schemas import WireSchema

MAX_SAMPLED = 20


class SampledFile(WireSchema):
    """A file as announced. `status` is `Waiting` or `Uploaded`; `problems` are the first sentences about it."""

    name: str
    size_bytes: int
    status: str
    problems: list[str]


class FilesSample(WireSchema):
    """The first files of an import. `total` is how many there are."""

    total: int
    items: list[SampledFile]


def files_sample(session: ImportSession) -> FilesSample:
    """The first `MAX_SAMPLED` files of `session`."""
    job = ImportJob.objects.filter(session=session).first()
    problems = [] if job is None else job.problems
    return FilesSample(
        total=session.files.count(),
        items=[
            SampledFile(
                name=file.name,
                size_bytes=file.size,
                status="Uploaded" if file.is_here else "Waiting",
                problems=[each for each in problems if each.startswith(f"{path_of(file).name}:")],
            )
            for file in session.files.order_by("pk")[:MAX_SAMPLED]
        ],
    )
