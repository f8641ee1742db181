"""What an import does about lines, files and annotations that are not as they should be: what it was asked to."""

from __future__ import annotations

from typing import Any

import pytest

from datasets.models import Dataset
from tests import cast
from tests.api.calling import client_of
from tests.datasets.api.sender import BAD, GOOD, Sender, captions, conditions, lines, said
from vi_portal.accounts.models import User
from vi_portal.jobs.models import State

# A job's lease is kept over a connection of its own.
pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "snapshot"])


@pytest.fixture(autouse=True)
def nobody_waits(settings: Any) -> None:
    """No worker runs here, so no answer waits for one."""
    settings.EXPORT_WAITERS = 0


@pytest.mark.parametrize(
    ("policy", "left", "state"),
    [
        ("Warn", ["Bad", "Good"], State.FINISHED),
        ("RejectFile", ["Good"], State.FINISHED),
        ("RejectSession", [], State.FAILED),
    ],
)
def test_a_bad_line_has_the_consequence_asked_for(
    ana: User, valves: Dataset, policy: str, left: list[str], state: str
) -> None:
    job = Sender(client_of(ana), valves, onBadAnnotation=policy).send(good_jsonl=GOOD, bad_jsonl=BAD)
    assert job.state == state
    assert captions(valves) == left
    assert "bad.jsonl:2" in " ".join([job.failure, *job.problems])


@pytest.mark.parametrize(
    ("policy", "left", "state"),
    [
        ("Warn", ["Good"], State.FINISHED),
        ("RejectFile", ["Good"], State.FINISHED),
        ("RejectSession", [], State.FAILED),
    ],
)
def test_an_unusable_file_has_the_consequence_asked_for(
    ana: User, valves: Dataset, policy: str, left: list[str], state: str
) -> None:
    job = Sender(client_of(ana), valves, onBadFile=policy).send(good_jsonl=GOOD, bad_jsonl=b"\xff\xfe\x00junk")
    assert job.state == state
    assert captions(valves) == left
    assert "bad.jsonl" in " ".join([job.failure, *job.problems])


@pytest.mark.parametrize(
    ("policy", "left", "state"),
    [
        ("Warn", ["New", "Other"], State.FINISHED),
        ("RejectFile", ["Old", "Other"], State.FINISHED),
        ("RejectSession", ["Old"], State.FAILED),
    ],
)
def test_an_overwriting_has_the_consequence_asked_for(
    ana: User, valves: Dataset, policy: str, left: list[str], state: str
) -> None:
    client = client_of(ana)
    Sender(client, valves).send(a_jsonl=lines(said("Old")))
    sender = Sender(client, valves, onOverwritten=policy)
    job = sender.send(a_jsonl=lines(said("New")), b_jsonl=lines(said("Other", id="a2")))
    assert job.state == state
    assert captions(valves) == left
    if state == State.FAILED:
        failed = [name for name, status in conditions(sender.status()).items() if status == "FailedReach"]
        assert failed == ["“a.jsonl” would replace an annotation that is already in the dataset. Nothing was imported."]


def test_the_same_again_is_no_overwriting(ana: User, valves: Dataset) -> None:
    client = client_of(ana)
    for _ in range(2):
        sender = Sender(client, valves)
        job = sender.send(a_jsonl=lines(said("One")))
    assert job.state == State.FINISHED
    assert sender.status()["annotations"]["statusCount"] == {"Unchanged": 1}


def test_annotations_of_another_type_are_refused(ana: User, valves: Dataset) -> None:
    other = cast.make_dataset(valves.organization, name="Questions", type="vqa")
    sender = Sender(client_of(ana), other, onBadFile="RejectSession")
    job = sender.send(a_jsonl=lines(said("One")))
    assert job.state == State.FAILED
    assert not other.assets.exists()


def test_files_are_told_with_what_could_not_be_used_of_them(ana: User, valves: Dataset) -> None:
    cast.make_asset(valves)
    sender = Sender(client_of(ana), valves, onBadAnnotation="Warn", onBadFile="Warn", onOverwritten="Warn")
    sender.announce(late_jsonl=b"x")
    assert [each["status"] for each in sender.client.get(sender.at("/filesSample")).json()["items"]] == ["Waiting"]
    sender = Sender(client_of(ana), valves, onBadAnnotation="Warn", onBadFile="Warn", onOverwritten="Warn")
    sender.send(good_jsonl=lines(said("One")), bad_jsonl=lines(b"{", said("Two", id="a2")))
    sample = sender.client.get(sender.at("/filesSample")).json()
    assert (sample["total"], {each["status"] for each in sample["items"]}) == (2, {"Uploaded"})
    problems = {each["name"]: each["problems"] for each in sample["items"]}
    assert ["not valid JSON" in "".join(problems[name]) for name in ("good.jsonl", "bad.jsonl")] == [False, True]
    assert all(sentence.startswith(f"{name}:") for name, told in problems.items() for sentence in told)
