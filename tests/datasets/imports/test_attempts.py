"""An import whose worker was killed and that is tried again: what it tells of itself stays true."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from datetime import timedelta
from io import BytesIO
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from datasets.imports import annotation_import, runner, sessions
from datasets.imports.sessions import Policies
from datasets.models import Annotation, Dataset, ImportJob, Policy
from tests import cast
from tests.datasets.imports.importing import exported, line
from vi_portal.accounts.models import User
from vi_portal.jobs.models import State
from vi_portal.jobs.sweep import requeue_lost

# A job's lease is kept over a connection of its own.
pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "snapshot"])

IN_THREE_BATCHES = [line("a.jpg", id=f"annotation {n}") for n in range(6)]


class Killed(BaseException):
    """As `kill -9` ends a worker: nobody says anything any more."""


@pytest.fixture
def after_batch(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, Callable[[], None]], None]:
    """Once, after so many batches of an import, something befalls it."""

    def befall(batches: int, what: Callable[[], None]) -> None:
        class Befallen:
            left = batches

            def between(self) -> None:
                Befallen.left -= 1
                if Befallen.left == 0:
                    what()

        monkeypatch.setattr(annotation_import, "GivingWay", Befallen)

    monkeypatch.setattr(annotation_import, "_BATCH_ANNOTATIONS", 2)
    return befall


def die() -> None:
    raise Killed


def queued(dataset: Dataset, user: User, *files: list[Any], **policies: Policy) -> ImportJob:
    session = sessions.open_session(dataset, user=user, policies=Policies(**policies))
    for number, records in enumerate(files):
        content = b"".join(json.dumps(each).encode() + b"\n" for each in records)
        sessions.add_file(session, f"{number}.jsonl", BytesIO(content))
    return sessions.start(session)


def killed(job: ImportJob) -> None:
    with pytest.raises(Killed):
        runner.run(job.pk, worker="killed")
    ImportJob.objects.filter(pk=job.pk).update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    requeue_lost(ImportJob)


def lose(job: ImportJob) -> None:
    """Another worker holds the job from now on."""
    ImportJob.objects.filter(pk=job.pk).update(lease_token=uuid.uuid4())


def row_of(client: Client, dataset: Dataset) -> str:
    return " ".join(client.get(reverse("job-history", args=[dataset.pk])).content.decode().split())


def test_what_an_attempt_before_wrote_is_told_while_another_waits_and_when_that_is_cancelled(
    valves: Dataset, ana: User, as_ana: Client, after_batch: Any
) -> None:
    job = queued(valves, ana, IN_THREE_BATCHES)
    after_batch(2, die)
    killed(job)
    assert Annotation.objects.count() == 4
    assert "<p>4 annotations</p>" in row_of(as_ana, valves)
    question = as_ana.get(reverse("cancel-import", args=[job.pk])).content.decode()
    assert "<strong>4 annotations</strong>. Nothing is taken back" in question
    assert "It has not begun" not in question

    after_batch(1, lambda: job.cancel(by="Ana"))  # when the first batch was read again
    runner.run(job.pk, worker="test")

    assert Annotation.objects.count() == 4
    assert "Cancelled by Ana. 4 annotations were written by then and stay." in row_of(as_ana, valves)


def test_an_import_finished_by_another_attempt_tells_what_all_of_them_wrote(
    valves: Dataset, ana: User, as_ana: Client, after_batch: Any
) -> None:
    there = cast.make_asset(valves, "a.jpg")
    job = queued(valves, ana, [*IN_THREE_BATCHES, IN_THREE_BATCHES[0], line("b.jpg", id="other"), {"no": "record"}])
    for batches in (2, 3):
        after_batch(batches, die)
        killed(job)
    runner.run(job.pk, worker="test")

    job.refresh_from_db()
    assert job.state == State.FINISHED
    assert there.annotations.count() == 6
    annotations = {"created": 7, "updated": 0, "already_there": 1, "refused": 0}
    assert job.summary["annotations"] == annotations
    assert (job.summary["assets"]["created"], job.summary["assets"]["already_there"]) == (1, 1)
    assert (job.summary["lines_read"], job.summary["lines_refused"], len(job.problems)) == (9, 1, 3)
    assert '<p>7 annotations</p> <p class="small muted">1 already there</p>' in row_of(as_ana, valves)


@pytest.mark.parametrize("policy", [Policy.REJECT_SESSION, Policy.REJECT_FILE])
def test_what_an_attempt_before_wrote_is_no_overwriting(
    valves: Dataset, ana: User, after_batch: Any, policy: Policy
) -> None:
    twice = line("a.jpg", id="annotation 0")
    twice["contents"] = twice["contents"] | {"caption": "Something else"}
    job = queued(valves, ana, [*IN_THREE_BATCHES, twice, line("a.jpg", id="last")], on_overwritten=policy)
    after_batch(8, die)  # four of them in the rehearsal
    killed(job)
    assert Annotation.objects.count() == 7
    runner.run(job.pk, worker="test")

    job.refresh_from_db()
    assert (job.state, job.failure) == (State.FINISHED, "")
    annotations = {"created": 7, "updated": 1, "already_there": 0, "refused": 0}
    assert (job.summary["files_read"], job.summary["annotations"]) == (1, annotations)


def test_a_file_left_out_by_the_first_attempt_stays_out(valves: Dataset, ana: User, after_batch: Any) -> None:
    there = cast.make_annotation(cast.make_asset(valves, "there.jpg"))
    overwriting = line("there.jpg", id=there.uid, category="Something else")
    job = queued(valves, ana, [overwriting], IN_THREE_BATCHES, on_overwritten=Policy.REJECT_FILE)
    after_batch(5, die)  # three of them in the rehearsal
    killed(job)
    there.delete()  # so that it would be read now
    runner.run(job.pk, worker="test")

    job.refresh_from_db()
    assert (job.state, job.summary["files_read"], job.summary["files_left_out"]) == (State.FINISHED, 1, 1)
    assert Annotation.objects.count() == 6
    [problem] = [each for each in job.problems if "left out" in each]
    assert "0.jsonl" in problem


def test_a_worker_that_lost_an_import_writes_nothing_that_nobody_tells_of(
    valves: Dataset, ana: User, after_batch: Any
) -> None:
    job = queued(valves, ana, IN_THREE_BATCHES)
    after_batch(1, lambda: lose(job))
    runner.run(job.pk, worker="test")
    job.refresh_from_db()
    assert (Annotation.objects.count(), job.summary["annotations"]["created"]) == (2, 2)


def test_a_cancelled_import_that_wrote_assets_alone_says_so(
    valves: Dataset, ana: User, as_ana: Client, after_batch: Any
) -> None:
    assets = [exported(f"{n}.jpg", asset_id=f"asset-{n}", annotations=[]) for n in range(4)]
    job = queued(valves, ana, assets)
    after_batch(1, lambda: job.cancel(by="Ana"))
    runner.run(job.pk, worker="test")
    assert valves.assets.count() == 2
    assert "Cancelled by Ana. 2 assets were written by then and stay." in row_of(as_ana, valves)
