"""The ways the vendor's client is told where to go and as whom, and how it is left again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
import vi
from vi.client.errors import ViAuthenticationError, ViNotFoundError
from vi.client.http.retry import RetryConfig
from vi.logging.config import LogFormat, LoggingConfig, LogLevel

from tests.sdk.conftest import Place


def test_the_environment_stands_in_for_every_argument(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATATURE_VI_SECRET_KEY", place.keys["ana"])
    monkeypatch.setenv("DATATURE_VI_ORGANIZATION_ID", place.organization)
    monkeypatch.setenv("DATATURE_VI_API_ENDPOINT", f"{place.portal.url}/")
    client = vi.Client()
    assert client.organizations.get().organization_id == place.organization


def test_a_file_holds_key_and_organization(place: Place, tmp_path: Path) -> None:
    file = tmp_path / "vi.json"
    file.write_text(json.dumps({"secret_key": place.keys["ana"], "organization_id": place.organization}))
    client = vi.Client(config_file=file, endpoint=f"{place.portal.url}/a/path/is/dropped")
    assert client.organizations.get().organization_id == place.organization


def test_a_client_is_closed_at_the_end_of_its_block(place: Place) -> None:
    with vi.Client(place.keys["ana"], place.organization, endpoint=place.portal.url) as client:
        assert len(client.datasets.list()) > 0
    assert client.is_closed
    with pytest.raises(RuntimeError, match="closed"):
        client.datasets.list()


@pytest.mark.parametrize(
    "options",
    [
        {"timeout": httpx.Timeout(20), "max_retries": 1, "max_connections": 1, "max_keepalive_connections": 0},
        {"retry_config": RetryConfig(max_retries=0)},
        {
            "logging_config": LoggingConfig(
                level=LogLevel.DEBUG, format=LogFormat.PLAIN, enable_console=True, enable_file=False, log_responses=True
            )
        },
    ],
    ids=["connections", "retries", "logging"],
)
def test_settings_of_the_client_change_nothing_here(place: Place, options: dict[str, Any]) -> None:
    client = vi.Client(place.keys["ana"], place.organization, endpoint=place.portal.url, **options)
    names = [dataset.name for dataset in client.datasets(pagination={"page_size": 1})]
    assert set(place.datasets) <= set(names)


def test_an_organization_is_found_in_any_case_and_only_with_its_own_key(place: Place) -> None:
    assert place.client(organization=place.organization.upper()).organizations.get().name
    for other in (place.other, "nonsense"):
        with pytest.raises(ViNotFoundError, match="There is no organization"):
            place.client(organization=other).organizations.get()


def test_what_is_below_an_address_is_kept_from_wrong_keys_alike(place: Place) -> None:
    stranger = place.client(key="dtvi_" + "x" * 98)
    for call in (stranger.organizations.list, stranger.datasets.list, stranger.organizations.info):
        with pytest.raises(ViAuthenticationError, match="not valid"):
            call()
