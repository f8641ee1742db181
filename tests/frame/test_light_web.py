"""The web process stays light: nothing it can be asked for loads TensorFlow, nor, with its files on disk, boto3."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import sys
from vi_portal.wsgi import application
from django.urls import get_resolver
import exports.tasks

list(get_resolver().reverse_dict)
heavy = sorted({name.split(".")[0] for name in sys.modules} & {"tensorflow", "numpy", "keras", "boto3", "botocore"})
print(",".join(heavy) or "light")
"""


def test_starting_the_web_process_loads_nothing_heavy() -> None:
    run = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "light"
