"""The settings: a wrong value is refused with its name, and the defaults are fit to be deployed."""

from __future__ import annotations

import os
import re
import runpy
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

ROOT = Path(settings.BASE_DIR)


def manage(data_dir: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run manage.py as on a machine where nothing but `environment` is set."""
    clean = {"PATH": os.environ["PATH"], "DATA_DIR": str(data_dir), **environment}
    return subprocess.run(
        [sys.executable, "manage.py", *arguments], cwd=ROOT, env=clean, capture_output=True, text=True, check=False
    )


def read(monkeypatch: pytest.MonkeyPatch, data_dir: Path, **environment: str) -> dict[str, Any]:
    """The settings there. Raises `ImproperlyConfigured`."""
    with monkeypatch.context() as there:
        for name in set(os.environ) - {"PATH"}:
            there.delenv(name)
        for name, value in {"DATA_DIR": str(data_dir), **environment}.items():
            there.setenv(name, value)
        return runpy.run_path(str(ROOT / "vi_portal" / "settings.py"))


def refusal(monkeypatch: pytest.MonkeyPatch, data_dir: Path, **environment: str) -> str:
    """Why they cannot be had."""
    with pytest.raises(ImproperlyConfigured) as refused:
        read(monkeypatch, data_dir, **environment)
    return str(refused.value)


def test_a_refusal_is_one_line_without_a_trace(tmp_path: Path) -> None:
    outcome = manage(tmp_path, "check", DATABASE_URL="mysql://portal:hunter2@db/portal")

    assert (outcome.returncode, outcome.stdout) == (1, "")
    assert outcome.stderr.startswith("Vi Portal cannot start: ")
    assert outcome.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DEBUG", "perhaps"),
        ("PORT", "70000"),
        ("JOB_LEASE_SECONDS", "soon"),
        ("TENSORFLOW_WARM_UP", "late"),
        ("LOG_FORMAT", "xml"),
        ("LOG_LEVEL", "chatty"),
        ("DATABASE_URL", "mysql://portal:hunter2@db/portal"),
        ("DATABASE_URL", "no address"),
        ("DATABASE_URL", "sqlite://"),
        ("CELERY_BROKER_URL", "sqs://key:hunter2@"),
        ("DATA_DIR", "/dev/null/portal"),
    ],
)
def test_a_wrong_value_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str, value: str
) -> None:
    told = refusal(monkeypatch, tmp_path, **{variable: value})

    assert told.startswith("Vi Portal cannot start: ")
    assert "\n" not in told
    assert variable in told
    assert "hunter2" not in told


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"S3_ENDPOINT": "http://store"}, "S3_BUCKET"),
        ({"S3_BUCKET": "portal", "S3_ENDPOINT": "http://user:hunter2@store"}, "S3_ENDPOINT"),
        ({"S3_BUCKET": "portal", "S3_SECRET_ACCESS_KEY": "hunter2"}, "S3_ACCESS_KEY_ID"),
        ({"S3_BUCKET": "portal", "S3_DOWNLOADS": "both"}, "S3_DOWNLOADS"),
        ({"S3_BUCKET": "portal", "X_ACCEL_REDIRECT": "/archives/"}, "X_ACCEL_REDIRECT"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_storage_settings_that_do_not_go_together_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variables: dict[str, str], named: str
) -> None:
    told = refusal(monkeypatch, tmp_path, **variables)

    assert told.startswith("Vi Portal cannot start: ")
    assert named in told
    assert "hunter2" not in told


def test_the_defaults_pass_the_deployment_check_without_a_warning(tmp_path: Path) -> None:
    outcome = manage(tmp_path, "check", "--deploy", "--fail-level", "DEBUG")

    assert outcome.returncode == 0, outcome.stderr
    assert "no issues (0 silenced)" in outcome.stdout


def test_the_secret_key_is_made_once_and_kept_private(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    key = read(monkeypatch, tmp_path)["SECRET_KEY"]

    assert len(key) >= 50
    assert read(monkeypatch, tmp_path)["SECRET_KEY"] == key
    assert stat.S_IMODE((tmp_path / "secret-key").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["secret-key"]


def test_a_connection_option_in_the_address_of_the_database_is_kept_for_both_connections(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    databases = read(monkeypatch, tmp_path, DATABASE_URL="postgresql://portal@db/portal?sslmode=require")["DATABASES"]

    assert {name: database["OPTIONS"]["sslmode"] for name, database in databases.items()} == {
        "default": "require",
        "snapshot": "require",
    }


def test_the_two_locks_agree_and_name_no_registry() -> None:
    runtime, development = ((ROOT / name).read_text() for name in ("requirements.lock", "requirements-dev.lock"))
    pin = re.compile(r"^[\w.-]+==[^ ]+", flags=re.MULTILINE)

    assert set(pin.findall(runtime)) <= set(pin.findall(development))
    assert pin.findall(runtime)
    assert "://" not in runtime + development
