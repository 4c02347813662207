"""docs/records.schema.json takes what the code writes and refuses what the code refuses."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from rollcall import records
from rollcall.records import Activity, DeadLetter, Directory, encode
from tests.facts import fact, ms

from .pages import blocks, text_of

SCHEMA = json.loads(text_of("docs/records.schema.json"))
AT = 1_795_000_000_000
WHOLE: list[Activity | Directory | DeadLetter] = [
    Activity(
        site="acme",
        event_key="comment:1:created",
        account_id="5b10a2844c20165700ed0001",
        account_type="atlassian",
        family="comment",
        action="created",
        occurred_at=AT,
        issue_id=1,
        issue_key="ACME-1",
        project_key="ACME",
        fields=["assignee"],
        source="webhook",
        received_at=AT,
    ),
    records.User(site="acme", snapshot_id=AT, account_id="a", display_name="A", email="a@example.com"),
    records.User(site="acme", snapshot_id=AT, account_id="a"),
    records.License(site="acme", snapshot_id=AT, product="jira-software", account_id="a"),
    records.Role(site="acme", snapshot_id=AT, account_id="a", role="Administrators", scope="ACME"),
    records.Seats(site="acme", snapshot_id=AT, product="jira-software", total=None, used=3),
    records.Project(site="acme", snapshot_id=AT, project_key="ACME", type="software"),
    records.Grant(site="acme", snapshot_id=AT, product="jira-software", account_id="a", group="users"),
    records.Looked(site="acme", snapshot_id=AT, product="jira-software", account_id="a", as_of=AT),
    records.Added(site="acme", snapshot_id=AT, account_id="a", added_to_org=AT),
    records.DaysRead(site="acme", snapshot_id=AT, since=AT),
    records.SnapshotComplete(
        site="acme", snapshot_id=AT, users=1, licenses=1, roles=1, seats=1, completed_at=AT, lacks=["roles"]
    ),
    DeadLetter(
        letter_id="0" * 32,
        site="",
        origin="webhook",
        reason="not_json",
        detail="It is none.",
        payload=b"\0",
        received_at=AT,
    ),
]


def kind_of(record: msgspec.Struct) -> str:
    return "Directory" if isinstance(record, records.DirectoryRow) else type(record).__name__


def is_valid(kind: str, value: object) -> bool:
    return jsonschema.Draft202012Validator({**SCHEMA, "$ref": f"#/$defs/{kind}"}).is_valid(value)


def test_it_is_a_schema_and_there_is_one_of_every_kind() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert {type(record).__name__ for record in WHOLE} | {"Directory"} == set(SCHEMA["$defs"])


@pytest.mark.parametrize("record", WHOLE, ids=lambda record: type(record).__name__)
def test_what_is_written_is_valid_and_has_every_field(record: Activity | Directory | DeadLetter) -> None:
    written: dict[str, Any] = json.loads(encode(record))
    assert is_valid(kind_of(record), written)
    assert list(written) == list(SCHEMA["$defs"][type(record).__name__]["properties"])
    assert is_valid(kind_of(record), {**written, "new_in_a_later_version": 1})


@pytest.mark.parametrize("record", WHOLE, ids=lambda record: type(record).__name__)
def test_what_lacks_a_field_without_default_or_has_it_in_another_form_is_not(
    record: Activity | Directory | DeadLetter,
) -> None:
    written: dict[str, Any] = json.loads(encode(record))
    for name in SCHEMA["$defs"][type(record).__name__]["required"]:
        assert not is_valid(kind_of(record), {key: value for key, value in written.items() if key != name}), name
        assert not is_valid(kind_of(record), {**written, name: [None]}), name


_ENGINE = """
import sys
from chdb.session import Session
session = Session(sys.argv[1])
session.query("CREATE DATABASE lake")
session.query("USE lake")
for statement in sys.stdin.read().split(";\\n"):
    answer = session.query(statement, "TSV")
print(answer, end="", flush=True)
"""


def test_the_statements_for_clickhouse_give_each_fact_once_with_its_own_times(tmp_path: Path) -> None:
    """The engine within Python knows the Kafka engine and cannot run it: the queue is filled by hand, in its format."""
    [sql] = blocks(text_of("docs/records.md"), "sql")
    target, queue, reader = sql.strip().removesuffix(";").split(";\n")
    by_hand = queue.partition("ENGINE = Kafka")[0] + "ENGINE = Null"
    facts = [fact(f"history:{number}", ms("2026-03-29T00:59:59.5") + number * 977, fields=["a"]) for number in range(3)]
    twice = "".join(encode(one).decode() + "\n" for one in [*facts, *facts])
    statements = [f"EXPLAIN AST {queue} FORMAT Null", target, by_hand, reader]
    statements += [f"INSERT INTO jira_activity_queue SETTINGS async_insert = 0 FORMAT JSONEachRow {twice}"]
    statements += [
        "SELECT event_key, occurred_at, received_at, fields, account_id FROM jira_activity FINAL ORDER BY event_key"
    ]
    command = [sys.executable, "-c", _ENGINE, str(tmp_path / "lake")]
    done = subprocess.run(
        command, input=";\n".join(statements), capture_output=True, text=True, check=False, timeout=100
    )
    assert done.returncode == 0, done.stderr
    assert [line.split("\t") for line in done.stdout.splitlines()] == [
        [one.event_key, moment(one.occurred_at), moment(one.received_at), "['a']", "anna"] for one in facts
    ]


def moment(epoch_ms: int) -> str:
    """As ClickHouse writes it."""
    seconds, milliseconds = divmod(epoch_ms, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}.{milliseconds:03}"


def test_the_tables_for_clickhouse_have_all_fields_of_a_fact() -> None:
    [sql] = blocks(text_of("docs/records.md"), "sql")
    tables = [statement.partition("(\n")[2].partition("\n)")[0] for statement in sql.split("CREATE TABLE")[1:]]
    names = [[column.split()[0] for column in split_at_top(columns)] for columns in tables]
    assert names == [list(Activity.__struct_fields__)] * 2


def split_at_top(columns: str) -> list[str]:
    """Columns with their types, in which commas stand within brackets only."""
    found, depth = [""], 0
    for sign in columns:
        depth += {"(": 1, ")": -1}.get(sign, 0)
        if sign == "," and not depth:
            found.append("")
        else:
            found[-1] += sign
    return found
