"""A page of jobs found once for many, while the jobs change."""

from __future__ import annotations

import threading
import weakref
from typing import Any

import pytest
from django.db import connection, connections

from datasets.models import Dataset
from exports.history import history
from exports.moments import Moment, Moments
from tests.exports.jobs import make_running
from vi_portal.accounts.models import Membership, User

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "snapshot"])


def asked(dataset: Dataset, *, within: float) -> Moment:
    """The page as its owner is shown it."""
    membership = Membership.objects.get(user__username="ana")
    return history(dataset, membership, page=None, within=within).moment


class Asking(threading.Thread):
    """Somebody who asks for the page; `slowly`: stopped once the jobs were read, until told to go on."""

    def __init__(self, dataset: Dataset, *, within: float, slowly: bool = False) -> None:
        super().__init__()
        self.dataset, self.within = dataset, within
        self.has_read, self.may_go_on = threading.Event(), threading.Event()
        if not slowly:
            self.may_go_on.set()
        self.start()

    def run(self) -> None:
        try:
            with connection.execute_wrapper(self._executed):
                self.moment = asked(self.dataset, within=self.within)
        finally:
            self.has_read.set()
            connections.close_all()

    def _executed(self, execute: Any, sql: str, *rest: Any) -> Any:
        if "datasets_annotation" in sql:  # the last that is asked
            self.has_read.set()
            self.may_go_on.wait(20)
        return execute(sql, *rest)

    def answer(self) -> Moment:
        self.may_go_on.set()
        self.join(20)
        return self.moment


def test_what_was_read_before_a_change_is_shown_to_nobody_after_it(valves: Dataset, ana: User) -> None:
    job = make_running(valves, ana)
    before = Asking(valves, within=0.8, slowly=True)
    assert before.has_read.wait(20)
    job.cancel(by="Ana")
    now = Asking(valves, within=0)
    before.answer()
    assert now.answer().jobs[0].cancelled
    assert asked(valves, within=0.8).jobs[0].cancelled


def test_nobody_waits_for_a_newer_one_than_they_need(valves: Dataset, ana: User) -> None:
    make_running(valves, ana)
    last = asked(valves, within=0)
    now = Asking(valves, within=0, slowly=True)
    assert now.has_read.wait(20)
    assert asked(valves, within=60) is last
    assert now.answer() is asked(valves, within=60)


def test_no_more_pages_are_kept_than_anybody_looks_at(valves: Dataset, ana: User) -> None:
    make_running(valves, ana)
    moments = Moments(seconds=60)
    first = moments.of_late(valves, None, within=60)
    for nonsense in ("", "x", "-1", "1e3", "٣", "9" * 50):
        assert moments.of_late(valves, nonsense, within=60) is first
    pages = [weakref.ref(moments.of_late(valves, str(page), within=60)) for page in range(2, 300)]
    assert sum(page() is not None for page in pages) <= 101
    assert moments.of_late(valves, "299", within=60) is pages[-1]()
