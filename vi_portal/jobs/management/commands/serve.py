from __future__ import annotations

import sys
from contextlib import suppress
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from vi_portal.supervisor import CannotStart, Supervisor


class Command(BaseCommand):
    help = "Runs the web server and a worker until Ctrl-C, which lets a running export finish first."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            clean = Supervisor(say=self._say).run()
        except CannotStart as error:
            raise CommandError(str(error)) from error
        if not clean:
            sys.exit(1)

    def _say(self, line: str) -> None:
        with suppress(OSError):  # the terminal may be gone, and a drain must go on
            self.stdout.write(line)
            self.stdout.flush()
