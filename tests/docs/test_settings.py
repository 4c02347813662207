"""The settings page names variables that work, and every sample of settings in the docs can be loaded."""

from pathlib import Path
from typing import Any, get_origin

import pytest
from pydantic_settings import EnvSettingsSource

from rollcall.settings import Settings, load_settings
from tools.reference.settings import Setting, all_settings

from .pages import NAMES, blocks, text_of


@pytest.mark.parametrize("setting", list(all_settings()), ids=lambda setting: setting.variable)
def test_the_variable_reaches_the_setting(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    is_list = get_origin(setting.field.annotation) in (list, tuple)
    monkeypatch.setenv(setting.variable, '["one"]' if is_list else "one")
    found: Any = EnvSettingsSource(Settings)()
    for name in setting.path:
        found = found["name" if name == "NAME" else name]
    assert found == (["one"] if is_list else "one")


def test_one_variable_leaves_the_rest_of_its_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "rollcall.toml"
    config.write_text(
        """
        [ingest]
        retry_after = 7
        [sites.acme]
        url = "https://acme.atlassian.net"
        webhook_secrets = ["current"]
        """
    )
    monkeypatch.setenv("ROLLCALL_INGEST__BODY_LIMIT", "2048")
    monkeypatch.setenv("ROLLCALL_SITES__ACME__TIMEZONE", "Asia/Tokyo")
    settings = load_settings(config)
    assert (settings.ingest.retry_after, settings.ingest.body_limit) == (7, 2048)
    assert (settings.sites["acme"].timezone, settings.sites["acme"].secrets()) == ("Asia/Tokyo", [b"current"])


@pytest.mark.parametrize("name", NAMES)
def test_samples_of_settings_can_be_loaded(name: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("0123456789abcdef")
    for number, sample in enumerate(blocks(text_of(name), "toml")):
        config = tmp_path / f"{number}.toml"
        config.write_text(sample.replace("/run/secrets/acme_webhook", str(secret)))
        load_settings(config)
