"""Files that others can read are named, and those that Rollcall writes are none of them."""

import json
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from console.checks.file_modes import open_files
from rollcall.errors import SettingsError
from rollcall.settings import load_settings

from ..endtoend.installation import rollcall


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that everybody gets to; pytest closes the one that has its own at each start, of another session too."""
    with tempfile.TemporaryDirectory(prefix="rollcall-modes-") as made:
        Path(made).chmod(0o755)
        yield Path(made)


def settings(folder: Path, more: str = "") -> Path:
    (folder / "token").write_text("a token")
    path = folder / "rollcall.toml"
    path.write_text(f"""
        log_url = "sqlite://{folder}/events.db"
        warehouse_url = "chdb://{folder}/warehouse"
        {more}
        [sites.acme]
        url = "https://acme.atlassian.net"
        email = "svc@acme.example"
        api_token_file = "{folder}/token"
        webhook_secrets = ["0123456789abcdef"]
    """)
    return path


def found(config: Path) -> set[str]:
    return {path.name for path in open_files(load_settings(config), config)}


def test_settings_secrets_log_and_warehouse_are_named(folder: Path) -> None:
    config = settings(folder)
    (folder / "events.db").touch()
    (folder / "warehouse").mkdir()
    for path in folder.iterdir():
        path.chmod(0o755 if path.is_dir() else 0o644)
    assert found(config) == {"rollcall.toml", "token", "events.db", "warehouse"}
    for path in folder.iterdir():
        path.chmod(0o750 if path.is_dir() else 0o640)
    assert found(config) == set()


def test_every_file_of_a_secret_is_looked_at(folder: Path) -> None:
    config = settings(
        folder,
        f"""
        page.public_url = "https://rollcall.example.com"
        page.names_groups = ["admins"]
        page.openid = {{ issuer = "https://login.example", client_id = "a", client_secret_file = "{folder}/openid" }}
        page.proxy = {{ user_header = "X-User", secret_file = "{folder}/proxy" }}
        organization = {{ id = "a1b2c3d4-0000-4000-8000-000000000000", api_key_file = "{folder}/organization" }}
        """,
    )
    config.chmod(0o600)
    secrets = {"openid", "proxy", "organization", "token"}
    for name in secrets:
        (folder / name).write_text("0123456789abcdef")
        (folder / name).chmod(0o644)
    assert found(config) == secrets


def test_a_closed_folder_above_is_enough_and_settings_without_secrets_may_be_read(folder: Path) -> None:
    config = settings(folder)
    config.chmod(0o644)
    (folder / "token").chmod(0o600)
    assert found(config) == {"rollcall.toml"}
    folder.chmod(0o700)
    assert found(config) == set()
    folder.chmod(0o755)
    config.write_text(config.read_text().replace('webhook_secrets = ["0123456789abcdef"]', "unsigned = true"))
    assert found(config) == set()


def test_check_says_so_and_what_commands_write_is_private(folder: Path) -> None:
    config = settings(folder)
    config.chmod(0o644)
    done = subprocess.run(rollcall("migrate", "--config", str(config)), capture_output=True, text=True, umask=0o022)
    assert done.returncode == 0, done.stderr
    made = [path for path in folder.rglob("*") if path not in (config, folder / "token")]
    assert made
    assert [path for path in made if path.stat().st_mode & 0o077] == []
    check = subprocess.run(
        rollcall("check", "--local", "--format", "json", "--config", str(config)), capture_output=True, text=True
    )
    [finding] = [
        row for row in json.loads(check.stdout) if row["subject"] == "files" and "rollcall.toml" in row["found"]
    ]
    assert (finding["ok"], finding["remedy"]) == (False, f"chmod o-rwx {config}")


@pytest.mark.parametrize(
    ("more", "named"),
    [('listen = "0.0.0.0:8080"', "webhook secret"), ('sql_listen = "0.0.0.0:8123"\nsql_token = "short"', "sql_token")],
)
def test_short_secrets_are_refused_where_others_reach_them(folder: Path, more: str, named: str) -> None:
    config = settings(folder, more)
    text = config.read_text().replace("0123456789abcdef", "0123456789abcde")
    config.write_text(text)
    with pytest.raises(SettingsError, match=named):
        load_settings(config)
    config.write_text(text.replace("0.0.0.0", "127.0.0.1"))
    load_settings(config)
