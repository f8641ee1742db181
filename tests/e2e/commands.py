"""A program that runs commands of `manage.py` one after another.

Each line of the input is a list of arguments; the answer is a line too: what was printed, and whether it went well.
"""

from __future__ import annotations

import io
import json
import os
import sys
import traceback
from contextlib import redirect_stderr, redirect_stdout
from typing import TextIO


def run(arguments: list[str]) -> tuple[bool, str, str]:
    """Whether the command went well, and what it printed on its two outputs."""
    from django.core.management import execute_from_command_line
    from django.db import connections

    well = True
    with redirect_stdout(io.StringIO()) as printed, redirect_stderr(io.StringIO()) as complained:
        try:
            execute_from_command_line(["manage.py", *arguments])
        except SystemExit as end:
            well = not end.code
        except Exception:
            well = False
            traceback.print_exc()
        finally:
            connections.close_all()
    return well, printed.getvalue(), complained.getvalue()


def answer(asked: TextIO, answers: TextIO) -> None:
    """Run what is `asked`, line by line, until there is no more."""
    for line in asked:
        answers.write(json.dumps(run(json.loads(line))) + "\n")
        answers.flush()


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vi_portal.settings")
    answer(sys.stdin, sys.stdout)
