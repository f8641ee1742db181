"""`manage.py serve`: the portal with one command."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from contextlib import suppress
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from vi_portal.readiness import CannotStart
from vi_portal.supervisor import Supervisor


class Command(BaseCommand):
    help = "Runs the web server and a worker until Ctrl-C, which lets a running export finish first."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--prepare",
            action="store_true",
            help="First bring the database and the static files up to date, and make the demo if there is no dataset.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["prepare"]:
            self._prepare()
        try:
            clean = Supervisor(say=self._say).run()
        except CannotStart as error:
            raise CommandError(str(error)) from error
        if not clean:
            sys.exit(1)

    def _prepare(self) -> None:
        call_command("migrate", verbosity=0)
        call_command("collectstatic", interactive=False, verbosity=0)
        call_command("seed_demo", if_empty=True)
        connections.close_all()

    def _say(self, line: str) -> None:
        with suppress(OSError):  # the terminal may be gone, and a drain must go on
            self.stdout.write(line)
            self.stdout.flush()
