"""Changing annotations and deleting them by the API: captions, boxes, questions and answers."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection

from datasets.api.annotation_edits import with_box
from datasets.contents import PhraseGrounding, Vqa
from datasets.models import Annotation, Asset, Dataset
from tests import cast
from tests.api.calling import client_of, message
from tests.datasets.api.calling import annotation_path, path, sent
from vi_portal.accounts.models import Organization, User


def test_a_caption_changes_and_its_phrases_are_found_again(ana: User, valves: Dataset) -> None:
    annotation = cast.make_annotation(cast.make_asset(valves))
    body = {"spec": {"contents": {"kind": "Caption", "contents": "Two gauges and a red valve"}}}
    told = sent(client_of(ana), "PUT", annotation_path(annotation), body)
    assert told.status_code == 200
    assert told.json()["spec"]["contents"]["contents"] == "Two gauges and a red valve"
    annotation.refresh_from_db()
    contents = annotation.parsed
    assert isinstance(contents, PhraseGrounding)
    [phrase] = contents.grounded_phrases
    assert (phrase.start_token_index, phrase.end_token_index, phrase.bounds) == (4, 5, [(100, 200, 300, 400)])


def test_a_box_moves_and_points_elsewhere(ana: User, valves: Dataset) -> None:
    two = cast.grounding("A red valve left of two gauges", "red valve", (0, 0, 100, 80), (500, 400, 600, 480))
    annotation = cast.make_annotation(cast.make_asset(valves), two)
    corners = [[0.1, 0.5], [0.2, 0.5], [0.2, 0.6], [0.1, 0.6]]
    told = sent(client_of(ana), "PATCH", annotation_path(annotation, 1), {"spec": {"contents": {"bound": corners}}})
    assert told.json()["spec"]["contents"]["bound"] == corners
    told = sent(client_of(ana), "PATCH", annotation_path(annotation, 2), {"spec": {"contents": {"target": [5, 6]}}})
    assert told.json()["annotationId"].endswith("-2")
    annotation.refresh_from_db()
    contents = annotation.parsed
    assert isinstance(contents, PhraseGrounding)
    assert [(each.phrase, each.bounds) for each in contents.grounded_phrases] == [
        ("red valve", [(100, 400, 200, 480)]),
        ("two gauges", [(500, 400, 600, 480)]),
    ]


def test_one_box_is_deleted_or_the_whole(ana: User, valves: Dataset) -> None:
    two = cast.grounding("A red valve left of two gauges", "red valve", (0, 0, 100, 80), (500, 400, 600, 480))
    annotation = cast.make_annotation(cast.make_asset(valves), two)
    gone = sent(client_of(ana), "DELETE", annotation_path(annotation, 1))
    assert (gone.status_code, gone.content) == (204, b"")
    annotation.refresh_from_db()
    contents = annotation.parsed
    assert isinstance(contents, PhraseGrounding)
    assert contents.grounded_phrases[0].bounds == [(500, 400, 600, 480)]
    assert sent(client_of(ana), "DELETE", annotation_path(annotation, 2)).status_code == 404
    assert sent(client_of(ana), "DELETE", annotation_path(annotation)).status_code == 204
    assert not Annotation.objects.exists()
    assert Asset.objects.exists()


def test_questions_are_changed_as_they_are_shown(ana: User, acme: Organization) -> None:
    annotation = cast.make_annotation(cast.make_asset(cast.make_dataset(acme, type="vqa")))
    told = sent(
        client_of(ana), "PUT", annotation_path(annotation), {"spec": {"caption": "Q: Open?\nA: Yes\nQ: Red?\nA: No"}}
    )
    assert told.status_code == 200
    annotation.refresh_from_db()
    assert annotation.parsed == cast.qa(("Open?", "Yes"), ("Red?", "No"))
    assert isinstance(annotation.parsed, Vqa)
    for unclear in ("Yes", "", "Q: Open?", "A: Yes\nQ: Open?", "Q: Open?\nA: Yes\nQ: Red?"):
        refused = sent(client_of(ana), "PUT", annotation_path(annotation), {"spec": {"caption": unclear}})
        assert refused.status_code == 400
    annotation.refresh_from_db()
    assert annotation.parsed == cast.qa(("Open?", "Yes"), ("Red?", "No"))


def test_a_long_text_without_answers_is_refused_at_once(ana: User, acme: Organization) -> None:
    annotation = cast.make_annotation(cast.make_asset(cast.make_dataset(acme, type="vqa")))
    body = {"spec": {"caption": "Q: " * 700_000}}
    assert sent(client_of(ana), "PUT", annotation_path(annotation), body).status_code == 400


@pytest.mark.django_db(transaction=True, databases=["default", "snapshot"])
def test_two_who_change_an_annotation_at_once_both_get_their_way(ana: User, valves: Dataset) -> None:
    two = cast.grounding("A red valve", "red valve", (100, 80, 200, 160), (300, 80, 400, 160))
    annotation = cast.make_annotation(cast.make_asset(valves), two)
    client, came = client_of(ana), threading.Event()
    client.get(path(valves))  # the use of the key is noted

    def seen(execute: Any, sql: str, *rest: Any) -> Any:
        if sql.startswith("BEGIN") or sql.endswith("FOR UPDATE"):  # where SQLite waits, and PostgreSQL
            came.set()
        return execute(sql, *rest)

    def change() -> Any:
        try:
            with connection.execute_wrapper(seen):
                body = {"spec": {"contents": {"bound": [[0.5, 0.5], [0.6, 0.6]]}}}
                return sent(client, "PATCH", annotation_path(annotation, 2), body)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with valves.in_turn():
            valves.rewrite_annotation(annotation, with_box(two, 1, box=(0, 0, 50, 40)))
            changed = pool.submit(change)
            assert came.wait(20)
        assert changed.result().status_code == 200
    annotation.refresh_from_db()
    assert isinstance(annotation.parsed, PhraseGrounding)
    assert annotation.parsed.grounded_phrases[0].bounds == [(0, 0, 50, 40), (500, 400, 600, 480)]


@pytest.mark.parametrize(
    ("box", "body"),
    [
        (None, {}),
        (None, {"spec": {"contents": {"kind": "PhraseGroundingBoundingBox", "contents": "x"}}}),
        (1, {"spec": {"contents": {"bound": [[0, 0], [1, 1]]}}}),
        (1, {"spec": {"contents": {"bound": [[0, 0], [1, "x"]], "target": [0, 1]}}}),
        (1, {"spec": {"contents": {"bound": [[0, 0], [1, 1]], "target": [0, 99]}}}),
        (1, {"spec": {"contents": {"bound": [], "target": [0, 1]}}}),
        (1, {"spec": {"contents": {"bound": [[100, 200], [300, 400]], "target": [0, 1]}}}),
        (1, {"spec": {"contents": {"bound": [[0.5, 0.5], [0.5, 0.9]], "target": [0, 1]}}}),
        (1, {"spec": 3}),
    ],
)
def test_a_change_that_makes_no_sense_changes_nothing(
    ana: User, valves: Dataset, box: int | None, body: dict[str, Any]
) -> None:
    annotation = cast.make_annotation(cast.make_asset(valves))
    response = sent(client_of(ana), "PUT", annotation_path(annotation, box), body)
    assert response.status_code == 400
    assert message(response)
    assert Annotation.objects.get().contents == annotation.contents
