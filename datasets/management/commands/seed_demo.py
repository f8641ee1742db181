"""`manage.py seed_demo`: something to look at, and somebody to sign in as."""

from __future__ import annotations

import secrets
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.core.management.base import BaseCommand
from tqdm import tqdm

from datasets.demo.seed import seed_datasets, seed_people
from datasets.models import Dataset
from vi_portal.accounts.models import User
from vi_portal.jobs.progress import Progress


class Command(BaseCommand):
    help = (
        "Make a demo organization with two datasets of drawn images, and the users ana and ben. "
        "What is there already stays as it is."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--password", help="The password of ana and ben. Default: a random one, kept if they have one already."
        )
        parser.add_argument(
            "--if-empty",
            action="store_true",
            help="Do nothing where there is a dataset, and somebody who can sign in to see it.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        somebody = User.objects.exclude(password="").exclude(password__startswith=UNUSABLE_PASSWORD_PREFIX)
        if options["if_empty"] and Dataset.objects.exists() and somebody.exists():
            return
        organization, ana, ben = seed_people()
        with tqdm(
            total=100, bar_format="{desc:<27} {percentage:3.0f}% |{bar}|", file=sys.stderr, mininterval=0.5
        ) as bar:

            def show(progress: Progress) -> None:
                bar.set_description_str(progress.phase, refresh=False)
                bar.update(progress.percent - bar.n)

            made = seed_datasets(organization, Progress(show))
        for dataset in made:
            self.stdout.write(f"Made “{dataset.name}”: {dataset.assets.count()} assets.")
        if not made:
            self.stdout.write("Both demo datasets are there already.")
        self._let_in(ana, ben, options["password"])

    def _let_in(self, ana: User, ben: User, password: str | None) -> None:
        sign_in = Path(settings.DATA_DIR) / "sign-in.txt"
        if ana.has_usable_password() and password is None:
            self.stdout.write("The user ana is there already and keeps her password.")
            return
        password = password or secrets.token_urlsafe(9)
        for user in (ana, ben):
            user.set_password(password)
            user.save(update_fields=["password"])
        sign_in.unlink(missing_ok=True)
        sign_in.touch(mode=0o600)
        sign_in.write_text(f"user: ana\npassword: {password}\n")
        self.stdout.write(f"Sign in as ana (owner) or ben (viewer), password {password}; ana's is in {sign_in}.")
