"""`manage.py export_dataset`, as a person at the shell sees it."""

from __future__ import annotations

import io
import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.core.management import CommandError, call_command

from datasets.models import Dataset
from exports import runner
from exports.formats import vi_jsonl
from exports.models import ExportJob
from tests import cast
from tests.exports.reading import leftovers
from vi_portal.jobs.models import State

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "snapshot"])


@pytest.fixture
def valves() -> Dataset:
    dataset = cast.make_dataset(cast.make_organization())
    cast.make_annotated(dataset, 4)
    return dataset


def run(*arguments: str | Path) -> str:
    printed = io.StringIO()
    call_command("export_dataset", *map(str, arguments), stdout=printed)
    return printed.getvalue()


def test_the_last_line_is_the_totals_and_the_zip_is_where_it_was_asked_for(valves: Dataset, tmp_path: Path) -> None:
    output = tmp_path / "valves.zip"
    printed = run("Valves", "--validation-ratio", "0.5", "--seed", "7", "--output", output)
    totals = json.loads(printed.splitlines()[-1])
    assert (totals["assets"]["written"], totals["train"], totals["validation"]) == (4, 2, 2)
    assert output.read_bytes()[:2] == b"PK"
    assert [path.name for path in tmp_path.iterdir() if path.suffix in (".zip", ".part")] == ["valves.zip"]


@pytest.mark.parametrize("ratio", ["1.2", "-0.1", "nan", "1e400", "", "0,2", "٠٫٢"])
def test_a_wrong_ratio_is_refused_with_a_sentence(valves: Dataset, tmp_path: Path, ratio: str) -> None:
    with pytest.raises(CommandError, match=r"like 0\.2"):
        run("Valves", f"--validation-ratio={ratio}", "--output", tmp_path / "valves.zip")
    assert not ExportJob.objects.exists()


def test_a_worker_that_takes_the_export_in_a_pause_is_waited_for(
    valves: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: LazySettings
) -> None:
    settings.JOB_PAUSE_SECONDS = 0.01
    run_here, held = runner.run, list[ExportJob]()

    def taken_in_the_pause(pk: uuid.UUID, **told: Any) -> None:
        if not held:
            ExportJob.start(pk, worker="command line").put_back("The file store fails.")
            ExportJob.objects.filter(pk=pk).update(lease_expires_at=None)
            held.append(ExportJob.start(pk, worker="other"))
            return
        if len(held) == 1:
            held[0].release()  # and the next attempt is anybody's
            held.append(held[0])  # who may have to ask twice within one millisecond
        run_here(pk, **told)

    monkeypatch.setattr(runner, "run", taken_in_the_pause)
    run("Valves", "--output", tmp_path / "valves.zip")
    assert ExportJob.objects.get().state == State.FINISHED
    assert (tmp_path / "valves.zip").read_bytes()[:2] == b"PK"


def test_an_interruption_leaves_no_job_to_a_worker(
    valves: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(record: Any) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(vi_jsonl, "head", interrupted)
    with pytest.raises(CommandError, match="Interrupted"):
        run("Valves", "--output", tmp_path / "valves.zip")
    job = ExportJob.objects.get()
    assert (job.state, job.failure) == (State.FAILED, "Cancelled by the command line.")
    assert not leftovers()
    assert not (tmp_path / "valves.zip").exists()
