"""The people of one organization, signed in, and the dataset whose history they look at."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from importlib import import_module

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.core.management import call_command
from django.db import connections
from django.urls import reverse
from django.utils import timezone

from bench import generate
from bench.people import Browser, Person, Seen
from datasets.models import Dataset
from exports.models import ExportJob
from exports.spec import ExportSpec
from vi_portal.accounts.models import Membership, Role, User
from vi_portal.jobs.models import ACTIVE, State


@dataclass(frozen=True)
class Audience:
    """`sessions` are the keys of the people's sessions."""

    dataset: Dataset
    sessions: list[str]

    @property
    def history(self) -> str:
        return reverse("annotations", args=[self.dataset.pk])

    def people(self, url: str, seen: Seen, is_over: threading.Event) -> list[Person]:
        return [Person(Browser(url, key, seen), self.history, seen, is_over) for key in self.sessions]

    def newest(self) -> tuple[float, float, float]:
        """When the newest export was asked for, taken by a worker, and finished, in seconds since 1970."""
        moments = ExportJob.objects.values_list("created_at", "started_at", "finished_at").latest("created_at")
        created, started, finished = moments
        assert started is not None
        assert finished is not None
        return created.timestamp(), started.timestamp(), finished.timestamp()

    def active(self) -> int:
        """How many exports run or wait."""
        return ExportJob.objects.filter(state__in=ACTIVE).count()

    def archives(self, people: list[Person], format: str) -> list[str]:  # noqa: A002  (what it is everywhere)
        """The path at which each of `people` may fetch an archive, exported for it in `format`."""
        people[0].browser.get("first page", self.history)
        people[0].ask_for(format)
        self.wait_for_exports(120)
        pages = [person.browser.get("first page", self.history) for person in people]
        return [re.findall(r'href="(/exports/[^"]+/download/[^"]+)"', page)[0] for page in pages]

    def wait_for_exports(self, seconds: float) -> Counter[str]:
        """What became of the exports, once they are over, or when so many seconds are."""
        deadline = time.monotonic() + seconds
        while self.active() and time.monotonic() < deadline:
            time.sleep(0.2)
        asked = ExportJob.objects.exclude(archive="", state=State.FINISHED).values_list("state", "failure")
        return Counter(f"{state} {failure}".strip() for state, failure in asked)


def make_audience(count: int, *, assets: int, ended: int = 300) -> Audience:
    """So many people, all signed in, a dataset, and a history of `ended` exports, in a migrated database."""
    call_command("migrate", verbosity=0)
    call_command("collectstatic", interactive=False, verbosity=0)
    dataset = generate.make_dataset("Crowd", kind="phrase-grounding", assets=assets)
    users = [User(username=f"person-{number}", first_name=f"Person {number}") for number in range(count)]
    for user in users:
        user.set_unusable_password()
        user.save()
        Membership.objects.create(user=user, organization=dataset.organization, role=Role.OWNER)
    _end(dataset, users, ended)
    sessions = [_sign_in(user) for user in users]
    connections.close_all()
    return Audience(dataset, sessions)


def _end(dataset: Dataset, users: list[User], count: int) -> None:
    """Exports that expired long ago, for the pages behind the first."""
    spec, now = ExportSpec().resolved(), timezone.now()
    ended = [
        ExportJob(
            dataset=dataset,
            user=users[number % len(users)],
            requested_by=users[number % len(users)].display_name,
            format=spec.format,
            options=spec.as_dict(),
            state=State.FINISHED,
            percent=100,
            created_at=now - timedelta(days=30, minutes=number),
            started_at=now - timedelta(days=30, minutes=number),
            finished_at=now - timedelta(days=30, minutes=number),
            expires_at=now - timedelta(days=23),
            size=1,
        )
        for number in range(count)
    ]
    ExportJob.objects.bulk_create(ended)


def _sign_in(user: User) -> str:
    session = import_module(settings.SESSION_ENGINE).SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    return str(session.session_key)
