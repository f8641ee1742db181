"""The files a team's portal is made with agree with the portal, with each other and with the page about them."""

from __future__ import annotations

import configparser
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings
from django.core.management import get_commands

from vi_portal.supervisor import worker_command

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "deploy"
PAGE = (ROOT / "docs" / "administration.md").read_text()
CONTAINER = (DEPLOY / "Containerfile").read_text()
NGINX = (DEPLOY / "nginx" / "vi-portal.conf").read_text()
COMPOSE_TEXT = (DEPLOY / "compose.yaml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(COMPOSE_TEXT)
SETTINGS = set(re.findall(r"^#?([A-Z][A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
#: What compose.yaml brings along itself, for PostgreSQL's container.
THEIR_OWN = {"POSTGRES_PASSWORD"}
PORTALS = {name: service for name, service in COMPOSE["services"].items() if service["image"] == "vi-portal"}


def in_container(name: str) -> str:
    """A variable that the image sets."""
    found = re.search(rf"\b{name}=(\S+)", CONTAINER[CONTAINER.index("\nENV ") :])
    assert found, name
    return found[1]


def mounted(service: str) -> dict[str, str]:
    """What is where in the containers of `service`."""
    return dict(re.match(r"([^:]+):([^:]+)", volume).groups() for volume in COMPOSE["services"][service]["volumes"])  # type: ignore[union-attr, misc]


# Settings


def test_compose_names_settings_that_exist() -> None:
    assert set(re.findall(r"\$\{([A-Z0-9_]+)", COMPOSE_TEXT)) <= SETTINGS | THEIR_OWN
    assert set(re.findall(r"^ +#? ?([A-Z0-9_]{4,}): ", COMPOSE_TEXT, re.MULTILINE)) <= SETTINGS | {
        "POSTGRES_USER",
        "POSTGRES_DB",
        "POSTGRES_PASSWORD",
    }
    assert len(PORTALS) == 3
    for service in PORTALS.values():
        assert set(service["environment"]) <= SETTINGS


def test_the_page_names_settings_that_exist() -> None:
    named = set(re.findall(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b", PAGE))
    assert named <= SETTINGS | THEIR_OWN
    assert len(named) > 15


def test_the_environment_of_a_team_is_one_the_portal_takes(tmp_path: Path) -> None:
    lines = (DEPLOY / "portal.env.example").read_text().splitlines()
    given = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    assert set(given) <= SETTINGS
    environment = given | {"SECRET_KEY": "Zg3" + "k9-x" * 15, "DATA_DIR": str(tmp_path), "PATH": os.environ["PATH"]}
    told = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr


# Files and addresses


def test_what_the_containers_mount_is_there() -> None:
    for service in COMPOSE["services"]:
        for source in mounted(service) if "volumes" in COMPOSE["services"][service] else ():
            if source.startswith("."):
                assert source == "./tls" or (DEPLOY / source).is_file(), source
            else:
                assert source in COMPOSE["volumes"]


def test_nginx_and_the_containers_speak_of_the_same_places() -> None:
    assert f"EXPOSE {settings.PORT}" in CONTAINER
    assert f"server web:{settings.PORT} " in (DEPLOY / "nginx" / "web-compose.conf").read_text()
    assert "web" in PORTALS
    assert "build" in PORTALS["migrate"]
    data = in_container("DATA_DIR")
    for service in (*PORTALS, "proxy"):
        assert mounted(service)["files"] == data
    assert f"alias {data}/exports/;" in NGINX
    for service in PORTALS.values():
        assert f"location {service['environment']['X_ACCEL_REDIRECT']} {{\n        internal;" in NGINX
    for path in re.findall(r"(?:include|ssl_certificate|ssl_certificate_key) (vi-portal/\S+);", NGINX):
        assert any(f"/etc/nginx/{path}".startswith(place) for place in mounted("proxy").values()), path


def test_nginx_lets_pass_what_the_portal_takes() -> None:
    allowed = re.search(r"client_max_body_size (\d+)m;", NGINX)
    assert allowed
    assert int(allowed[1]) > settings.UPLOAD_MAX_MB


def test_the_image_is_made_of_what_the_portal_needs_and_nothing_else() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in ignored
    taken = {line[1:] for line in ignored if line.startswith("!")}
    assert taken == {
        "requirements.lock", "manage.py", "gunicorn.conf.py", "vi_portal", "datasets", "exports", "static", "templates"
    }  # fmt: skip
    assert all((ROOT / name).exists() for name in taken)
    assert re.search(r"^USER [1-9][0-9]*$", CONTAINER, re.MULTILINE)
    assert "--require-hashes" in CONTAINER


# Commands


def ways_to_work() -> dict[str, list[str]]:
    """Every command that starts a worker, by the file it is in."""
    unit = configparser.RawConfigParser(strict=False)
    unit.read_string(
        re.sub(r" \\\n +", " ", (DEPLOY / "systemd" / "vi-portal-worker@.service").read_text()), "the unit"
    )
    line = re.search(r"^worker: (.*)$", (DEPLOY / "Procfile").read_text(), re.MULTILINE)
    assert line
    return {
        "compose": PORTALS["worker"]["command"],
        "systemd": shlex.split(unit["Service"]["ExecStart"]),
        "Procfile": shlex.split(line[1]),
    }


@pytest.mark.parametrize("where", ["compose", "systemd", "Procfile"])
def test_workers_are_started_as_the_portal_starts_its_own(where: str) -> None:
    def options(words: list[str]) -> set[str]:
        return {word.split("=")[0] for word in words if word.startswith("--")} - {"--hostname"}

    assert options(ways_to_work()[where]) == options(worker_command("worker@here"))


def test_files_the_page_names_exist() -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", PAGE):
        assert (ROOT / "docs" / target).exists(), target
    for path in re.findall(r"(?<![\w/.])(deploy/[\w@./-]+\w)", PAGE):
        made_by_hand = path in ("deploy/portal.env", "deploy/tls")
        assert made_by_hand or (ROOT / path).exists(), path
    for title in re.findall(r"README\.md#([\w-]+)\)|ARCHITECTURE\.md#([\w-]+)\)", PAGE):
        name = "".join(title).replace("-", " ")
        both = (ROOT / "README.md").read_text() + (ROOT / "ARCHITECTURE.md").read_text()
        assert f"\n## {name}\n" in both.lower(), name


def test_commands_the_page_names_exist() -> None:
    named = set(re.findall(r"^portal ([a-z_]+)|`portal ([a-z_]+)|manage\.py ([a-z_]+)", PAGE, re.MULTILINE))
    assert {"".join(each) for each in named} >= {"migrate", "createsuperuser", "check"}
    for each in named:
        assert "".join(each) in get_commands(), each
