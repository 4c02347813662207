"""The official drivers, unmodified, at the SQL door of an `up` that takes webhooks meanwhile."""

import asyncio
import csv
import gzip
import io
import json
import subprocess
import time
from importlib.util import find_spec

import clickhouse_connect
import pytest

from ..endtoend.installation import PATIENCE
from . import drivers
from .conftest import Crowded, need

MILLION = str(sum(range(1_000_000)) + sum(len(str(n)) for n in range(1_000_000)))
ACTIVITY = {
    "site": "LowCardinality(String)",
    "event_key": "String",
    "account_id": "String",
    "account_type": "LowCardinality(String)",
    "family": "LowCardinality(String)",
    "action": "LowCardinality(String)",
    "occurred_at": "DateTime64(3, 'UTC')",
    "issue_id": "UInt64",
    "issue_key": "String",
    "project_key": "LowCardinality(String)",
    "fields": "Array(LowCardinality(String))",
    "source": "LowCardinality(String)",
    "received_at": "DateTime64(3, 'UTC')",
}
VIEWS = {"user_days", "active_users_daily", "user_usage_30d", "license_usage_30d", "idle_licenses"}

FORMATS = {
    "TabSeparated": "1\tZoë\n",
    "TabSeparatedWithNames": "n\tname\n1\tZoë\n",
    "CSV": '1,"Zoë"\n',
    "CSVWithNames": '"n","name"\n1,"Zoë"\n',
    "JSONEachRow": '{"n":1,"name":"Zoë"}\n',
    "JSONCompactEachRow": '[1, "Zoë"]\n',
    "Values": "(1,'Zoë')",
    "TSKV": "n=1\tname=Zoë\n",
    "Markdown": "| n | name |\n|-:|:-|\n| 1 | Zoë |\n",
    "Vertical": "Row 1:\n──────\nn:    1\nname: Zoë\n",
    "RowBinary": "\x01\x04Zoë",
    "Native": "\x02\x01\x01n\x05UInt8\x01\x04name\x06String\x04Zoë",
}


@pytest.mark.parametrize(
    "properties",
    [(), ("decompress=true",), ("client.use_http_compression=true", "decompress=true")],
    ids=["as it comes", "compressed requests", "compression of HTTP"],
)
def test_jdbc(crowded: Crowded, properties: tuple[str, ...]) -> None:
    need(drivers.lacking("java", "javac", "mvn"))
    told = crowded.told(drivers.java(), *properties, wrong_token=not properties)
    # Views with parameters are listed too.
    assert {*VIEWS, "user_usage"} <= set(told.pop("views").strip("[]").split(", "))
    assert {"activity", "account_types", "directory_users"} <= set(told.pop("tables").strip("[]").split(", "))
    assert told == {
        "valid": "true",
        "columns": f"[{', '.join(sorted([*ACTIVITY, 'version']))}]",
        "types": "[DateTime64(3, 'UTC')]",
        "keys": "[event_key, site]",
        "type info": "true",
        "product": "ClickHouse",
        "user": "dashboards",
        "schemas": "true",
        "functions": "true",
        "row": "2026-11-18 Zoë 42 null of 4",
        "parameters": "true",
        "many rows": str(sum(n + len(str(n)) for n in range(200_000))),
        "max rows": "true",
        "cancel": "error 394",
        "no such table": "error 60",
        "insert": "error 164",
    }


@pytest.mark.parametrize("compression", ["none", "lz4", "zstd", "gzip"])
def test_clickhouse_go(crowded: Crowded, compression: str) -> None:
    need(drivers.lacking("go"))
    told = crowded.told(drivers.go(), compression, wrong_token=compression == "none")
    assert {"account_types", "activity", *VIEWS} <= set(told.pop("tables").split())
    assert told == {
        "ping": "pong",
        "server": "true",
        "types": ", ".join(f"{name} {kind}" for name, kind in ACTIVITY.items()),
        "row": "2026-11-18 Zoë 42 <nil>",
        "parameters": "true",
        "bound parameters": "true",
        "a million rows": MILLION,
        "an empty answer": "false",
        "cancelled context": "error",
        "error within an answer": "error 153",
        "no such table": "error 60",
        "insert": "error 164",
        "database/sql": "true",
    }


@pytest.mark.parametrize("compressed", ["", "compressed"])
def test_clickhouse_client_of_node(crowded: Crowded, compressed: str) -> None:
    need(drivers.lacking("node", "npm"))
    command = drivers.node()
    told = crowded.told(command, compressed, wrong_token=not compressed, NODE_PATH=drivers.node_path())
    assert told == {
        "ping": "true",
        "tables": "true",
        "row": '[{"day":"2026-11-18","name":"Zoë","n":42,"none":null}]',
        "parameters": "1",
        "settings": "1",
        "a million rows": str(sum(range(1_000_000))),
        "query id": "1 by-node TabSeparated",
        "session": '[{"n":1}]',
        "abort": "error The user aborted a request.",
        "no such table": "error 60",
        "command": "error 164",
        "insert": "error 164",
    }


@pytest.mark.parametrize("compress", [False, "gzip", "lz4", "zstd"])
def test_clickhouse_connect(crowded: Crowded, compress: "bool | str") -> None:
    with clickhouse_connect.get_client(
        host="127.0.0.1", port=crowded.port, username="dashboards", password=crowded.token, compress=compress
    ) as client:
        assert client.ping()
        found = client.query("SELECT * FROM activity WHERE site = {site:String} LIMIT 3", parameters={"site": "acme"})
        assert dict(zip(found.column_names, (kind.name for kind in found.column_types), strict=True)) == ACTIVITY
        assert found.row_count == 3
        with client.query_row_block_stream("SELECT number FROM numbers(1000000)") as blocks:
            assert sum(row[0] for block in blocks for row in block) == sum(range(1_000_000))
        assert client.command("EXISTS TABLE activity") == 1


def test_sqlalchemy(crowded: Crowded) -> None:
    need("" if find_spec("sqlalchemy") else "not installed: sqlalchemy")
    import sqlalchemy

    url = f"clickhousedb://dashboards:{crowded.token}@127.0.0.1:{crowded.port}/default"
    engine = sqlalchemy.create_engine(url)
    with engine.connect() as connection:
        activity = sqlalchemy.Table("activity", sqlalchemy.MetaData(), autoload_with=engine)
        assert [column.name for column in activity.columns] == [*ACTIVITY, "version"]
        count = sqlalchemy.select(sqlalchemy.func.count()).select_from(activity).where(activity.c.site == "acme")
        assert connection.execute(count).scalar_one() > 0
        assert VIEWS | {"activity"} <= set(sqlalchemy.inspect(engine).get_table_names())
    engine.dispose()


def test_aiochclient(crowded: Crowded) -> None:
    need("" if find_spec("aiochclient") else "not installed: aiochclient")
    import aiochclient
    import aiohttp

    async def ask() -> None:
        async with aiohttp.ClientSession() as session:
            client = aiochclient.ChClient(
                session, url=f"http://127.0.0.1:{crowded.port}/", user="dashboards", password=crowded.token
            )
            assert await client.is_alive()
            rows = await client.fetch("SELECT toDate('2026-11-18') AS day, 'Zoë' AS name, [1, 2] AS numbers")
            assert [(str(row["day"]), row["name"], row["numbers"]) for row in rows] == [("2026-11-18", "Zoë", [1, 2])]
            assert await client.fetchval("SELECT count() FROM activity") > 0
            counted = 0
            async for _ in client.iterate("SELECT number FROM numbers(100000)"):
                counted += 1
            assert counted == 100_000
            with pytest.raises(aiochclient.ChClientError, match="READONLY"):
                await client.execute("INSERT INTO activity (site) VALUES", ("x",))

    asyncio.run(ask())


def curl(crowded: Crowded, *arguments: str) -> bytes:
    need(drivers.lacking("curl"))
    command = ["curl", "-sS", "--fail-with-body", f"http://127.0.0.1:{crowded.port}/", "-K", "-", *arguments]
    user = f'user = "dashboards:{crowded.token}"'
    done = subprocess.run(command, input=user.encode(), capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


@pytest.mark.parametrize("name", FORMATS)
def test_curl_in_twelve_formats(crowded: Crowded, name: str) -> None:
    assert curl(crowded, "-d", f"SELECT 1 AS n, 'Zoë' AS name FORMAT {name}").decode() == FORMATS[name]


def test_curl_with_what_it_can(crowded: Crowded) -> None:
    assert json.loads(curl(crowded, "-d", "SELECT 1 AS n FORMAT JSON"))["data"] == [{"n": 1}]
    sql = "SELECT account_id, count() FROM activity GROUP BY 1"
    rows = list(csv.reader(io.StringIO(curl(crowded, "-d", f"{sql} FORMAT CSV").decode())))
    assert rows
    assert all(int(count) > 0 for _, count in rows)
    url = f"http://127.0.0.1:{crowded.port}/?password={crowded.token}"
    sent = subprocess.run(
        ["curl", "-sS", url, "-H", "Content-Encoding: gzip", "--data-binary", "@-"],
        input=gzip.compress(b"SELECT 'packed'"),
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert sent.stdout == b"packed\n"


def test_no_webhook_was_refused(crowded: Crowded) -> None:
    """The last test of the file: all the while webhooks were answered, and what they told has been written."""
    before = len(crowded.answered)
    assert before >= 10
    assert set(crowded.answered) == {204}
    deadline = time.monotonic() + PATIENCE
    while int(curl(crowded, "-d", "SELECT count() FROM activity FINAL")) < before:
        assert time.monotonic() < deadline
        time.sleep(0.2)
