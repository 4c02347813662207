"""Installations whose warehouse must not be written to, with facts that wait on the log."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rollcall.eventlog import open_log
from rollcall.records import encode
from rollcall.runtime import WAREHOUSE_GROUP, topics_of
from rollcall.settings import load_settings
from rollcall.warehouse import open_warehouse

from ..facts import fact
from ..warehouse.servers import stand_in
from .conftest import NOWHERE, Shell

FACTS = [fact(f"comment:{n}:created", "2026-11-02T10:00:00") for n in range(3)]
ALTERED = "activity.issue_key is LowCardinality(String) instead of String"
HELD = "async_insert must be 0"
QUIET = 'listen = "127.0.0.1:0"\nsql_listen = ""\nconsumer.listen = ""\n'


def alter(shell: Shell, statement: str = "ALTER TABLE activity MODIFY COLUMN issue_key LowCardinality(String)") -> None:
    """Change a column's type, so that rows would still go in; whoever writes must refuse with `ALTERED`."""

    async def main() -> None:
        warehouse = await open_warehouse(load_settings(shell.config).warehouse_url, "a test")
        await warehouse.command(statement)
        await warehouse.close()

    assert shell.run("migrate").exit_code == 0
    asyncio.run(main())


@contextmanager
def held(shell: Shell, data: Path) -> Iterator[None]:
    """Move to a server with the tables, whose profile holds an insert setting: writers must refuse with `HELD`."""
    text = shell.config.read_text()
    with stand_in(data) as server:
        shell.config.write_text(text.replace(f"chdb://{shell.folder}/warehouse", server.url))
        assert shell.run("migrate").exit_code == 0
    with stand_in(data, async_insert="1") as server:
        shell.config.write_text(text.replace(f"chdb://{shell.folder}/warehouse", server.url))
        yield


def facts_written(shell: Shell) -> int:
    """How many facts are in the warehouse."""

    async def main() -> int:
        warehouse = await open_warehouse(load_settings(shell.config).warehouse_url, "a test", write=False)
        [row] = await warehouse.query("SELECT count() AS facts FROM activity")
        await warehouse.close()
        return int(row["facts"])

    return asyncio.run(main())


def facts_waiting(shell: Shell) -> int:
    """How many facts on the log no consumer has committed."""

    async def main() -> int:
        settings = load_settings(shell.config)
        topics = topics_of(settings)
        log = await open_log(settings.log_url, topics.all())
        state = await log.state(topics.activity.name)
        await log.close()
        return state.lag.get(WAREHOUSE_GROUP, state.records)

    return asyncio.run(main())


def facts_on_log(shell: Shell) -> None:
    """Put `FACTS` on the log, and let no command listen anywhere."""
    shell.config.write_text(QUIET + shell.config.read_text().replace(NOWHERE, ""))
    shell.append(lambda topics: topics.activity.name, *(encode(one) for one in FACTS))
