"""The settings of the page: what is taken, what is refused, and that no refusal tells the password."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from rollcall.settings import PageSettings, Settings


def test_the_password_comes_from_a_file_or_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "password"
    file.write_text("from a file, long\n")
    assert PageSettings.model_validate({"password_file": file}).secret() == "from a file, long"
    monkeypatch.setenv("ROLLCALL_PAGE__PASSWORD", "from the environment")
    assert Settings().page.secret() == "from the environment"
    assert PageSettings().secret() == ""


def test_a_short_password_is_refused_and_not_told() -> None:
    with pytest.raises(ValidationError) as refusal:
        PageSettings.model_validate({"password": "hunter2"})
    told = str(refusal.value.errors(include_input=False, include_url=False, include_context=False))
    assert "shorter than 12 characters" in told
    assert "hunter2" not in told


def test_an_empty_password_file_is_no_open_door(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text(" \n")
    for name in ("empty", "missing"):
        with pytest.raises(ValidationError, match="password_file"):
            PageSettings.model_validate({"password_file": tmp_path / name})


@pytest.mark.parametrize("url", ["https://rollcall.example", "https://rollcall.example:8443/", "http://10.0.0.5:8080"])
def test_a_public_url_is_an_origin(url: str) -> None:
    assert PageSettings.model_validate({"public_url": url}).public_url == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    ["rollcall.example", "ftp://a.example", "https://", "https://a:b@c.example", "https://a.example/x", "https://a?b"],
)
def test_anything_else_is_not(url: str) -> None:
    with pytest.raises(ValidationError, match="public_url"):
        PageSettings.model_validate({"public_url": url})


def test_every_setting_is_described() -> None:
    assert all(field.description for field in PageSettings.model_fields.values())
