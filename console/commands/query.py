"""``rollcall query``: one statement that reads, through the SQL door of `up`, or where `up` does not run by itself."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import httpx
import msgspec
import typer
from clickhouse_connect.driver import Client

from console.output import FormatOption, OutputFormat, print_payload, print_rows
from console.process import DONE, Config, run_command
from console.sqldoor.door import create_door
from console.sqldoor.door_token import USER
from rollcall.errors import RollcallError, WarehouseUnavailableError
from rollcall.runtime import opened_for_reading
from rollcall.settings import Settings
from rollcall.warehouse import Warehouse
from rollcall.warehouse.engines import Embedded, Server, parse_warehouse_url, read_holding, server_client

_NAME = "rollcall query"
_FORM = "JSONCompactEachRowWithNames"
_BROKEN_OFF = "__exception__"


def query(
    sql: Annotated[str, typer.Argument(metavar="SQL", help="What to ask, such as 'SELECT * FROM user_days LIMIT 5'.")],
    form: FormatOption = OutputFormat.TABLE,
    config: Config = None,
) -> None:
    """Ask the warehouse in SQL. A statement with a FORMAT of its own is printed as it comes."""

    async def body(settings: Settings) -> int:
        found, answer = await _ask(settings, sql)
        if found == _FORM:
            _print(answer, form)
        else:
            print_payload(answer)
        return DONE

    run_command(config, body)


def _print(answer: bytes, form: OutputFormat) -> None:
    names, *rows = [msgspec.json.decode(line) for line in answer.splitlines() if line] or [[]]
    print_rows([dict(zip(names, row, strict=True)) for row in rows], list(dict.fromkeys(names)), form)


async def _ask(settings: Settings, sql: str) -> tuple[str, bytes]:
    """Return the format of the answer, and the answer.

    Raises:
        RollcallError: The warehouse cannot be asked, or refuses the statement.
    """
    address = parse_warehouse_url(settings.warehouse_url)
    if isinstance(address, Server):
        return _FORM, await _ask_server(address, settings, sql)
    async with _door(settings, address) as client:
        try:
            answer = await client.post("/", params={"default_format": _FORM}, content=sql.encode())
        except httpx.HTTPError as error:
            raise WarehouseUnavailableError(f"the SQL door does not answer: {error or type(error).__name__}") from None
    if answer.status_code != httpx.codes.OK or _BROKEN_OFF in answer.text[-2000:]:
        raise RollcallError(answer.text.strip() or f"the SQL door answered {answer.status_code}")
    return answer.headers.get("x-clickhouse-format", ""), answer.content


@asynccontextmanager
async def _door(settings: Settings, address: Embedded) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client of the door of `up`; of a door in this process where nobody holds the files."""
    timeout = httpx.Timeout(10.0, read=None)
    holding = read_holding(address)
    if holding and holding.sql_url:
        headers = {"x-clickhouse-user": USER, "x-clickhouse-key": holding.control_token}
        async with httpx.AsyncClient(
            base_url=holding.sql_url, headers=headers, timeout=timeout, trust_env=False
        ) as client:
            yield client
        return
    async with opened_for_reading(settings, _NAME):
        door = create_door(address, listen="127.0.0.1:0", unprotected=True)
        async with (
            door.router.lifespan_context(door),
            httpx.AsyncClient(
                transport=httpx.ASGITransport(door), base_url="http://127.0.0.1", timeout=timeout
            ) as client,
        ):
            yield client


async def _ask_server(address: Server, settings: Settings, sql: str) -> bytes:
    def client() -> Client:
        opened = server_client(address, settings.warehouse, {})
        readonly = opened.server_settings.get("readonly")
        if readonly is None or readonly.value == "0":  # a user that may write; else it cannot be changed
            opened.set_client_setting("readonly", "2")
        return opened

    warehouse = Warehouse(client)
    try:
        return await warehouse.fetch(sql, _FORM)
    finally:
        await warehouse.close()
