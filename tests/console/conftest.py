"""An installation on disk, and its command line run in this process."""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from console.main import app
from rollcall.eventlog import Record
from rollcall.eventlog.log_url import open_log
from rollcall.records import Activity, encode
from rollcall.runtime import topics_of
from rollcall.settings import load_settings

from ..facts import fresh_warehouse, write


@dataclass
class Shell:
    """Runs rollcall commands on one installation."""

    folder: Path

    @property
    def config(self) -> Path:
        return self.folder / "rollcall.toml"

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(app, [*arguments, "--config", str(self.config)])

    def rows(self, *arguments: str) -> list[dict[str, Any]]:
        result = self.run(*arguments, "--format", "json")
        assert result.exit_code == 0, result.output
        found: list[dict[str, Any]] = json.loads(result.stdout)
        return found

    def store(self, facts: Sequence[Activity]) -> None:
        """Put facts into the warehouse."""

        async def main() -> None:
            async with fresh_warehouse(self.folder) as warehouse:
                await write(warehouse, *facts)

        asyncio.run(main())

    def append(self, choose: Callable[[Any], str], *values: bytes) -> None:
        """Put records on a topic of the log."""

        async def main() -> None:
            settings = load_settings(self.config)
            topics = topics_of(settings)
            log = await open_log(settings.log_url, topics.all())
            await log.append(choose(topics), [Record(value) for value in values])
            await log.close()

        asyncio.run(main())

    def on_log(self, choose: Callable[[Any], str]) -> list[bytes]:
        """Return the records of a topic."""

        async def main() -> list[bytes]:
            settings = load_settings(self.config)
            topics = topics_of(settings)
            log = await open_log(settings.log_url, topics.all())
            values = [entry.value async for entry in log.scan(choose(topics))]
            await log.close()
            return values

        return asyncio.run(main())

    def append_letter(self, letter: Any) -> None:
        self.append(lambda topics: topics.deadletter.name, encode(letter))


NOWHERE = 'listen = "127.0.0.1:1"'
"""Where nobody listens, so that `check` finds no `up` of another test."""


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    (tmp_path / "rollcall.toml").write_text(
        f"""
        log_url = "sqlite://{tmp_path}/events.db"
        warehouse_url = "chdb://{tmp_path}/warehouse"
        {NOWHERE}
        [sites.acme]
        url = "https://acme.atlassian.net"
        webhook_secrets = ["0123456789abcdef"]
        timezone = "Europe/Berlin"
        """
    )
    return Shell(tmp_path)
