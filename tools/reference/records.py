"""docs/records.md and docs/records.schema.json, from the Structs of `rollcall.records`."""

import inspect
import json
import re
import typing
from collections.abc import Mapping
from typing import Any

import msgspec

from rollcall.records import Activity, DeadLetter, Directory, DirectoryRow, User
from tools.reference.markdown import GENERATED, code, page, table

_DIALECT = "https://json-schema.org/draft/2020-12/schema"

_INTRODUCTION = """
What stands on the event log, for who reads it without Rollcall: a lake, a stream processor, ClickHouse's own Kafka
engine. Each record is one flat JSON object, in UTF-8 and without a line end; on Kafka it is the value of a message
without headers. [records.schema.json](records.schema.json) has all of it as JSON Schema (2020-12), under `$defs`.

Fields are added in later versions, so take no offence at one that you do not know. A field with a default is written
all the same.
"""

_TOPIC_ROWS = (
    (
        "`rollcall.activity`",
        "[facts](#activity): who did what in Jira, when",
        "`event_key`",
        "`retention.activity_days`",
        "whoever may see who works on what; account ids, no names and no text",
    ),
    (
        "`rollcall.directory`",
        "[rows of the directory](#directory)",
        "the site",
        "`retention.activity_days`",
        "few: names and e-mail addresses",
    ),
    (
        "`rollcall.deadletter`",
        "[dead letters](#dead-letter)",
        "`letter_id`",
        "`retention.deadletter_days`",
        "fewest: whole payloads of webhooks, with all that people wrote",
    ),
)

_READING = """
`topic_prefix` takes the place of `rollcall`. Topics have the cleanup policy `delete`: nothing is compacted, and no
tombstone is written. Records of one key are on one partition in the order of writing; the directory of a site is
therefore in order, and a snapshot ends with its `snapshot_complete`.

Every record can come more than once: Jira sends webhooks again, the reconciler reads the same acts from REST, and
appends are repeated after an outage. A fact's name is `site` with `event_key`, so count those and never records.

[Rights](operations.md#rights) has the commands for Rollcall's own user. One that only reads facts needs less; its
group must not begin with `rollcall.`, or Rollcall takes it for a consumer of its own and tells its lag:

```sh
kafka-acls.sh --bootstrap-server HOST:PORT --add --allow-principal User:lake \\
    --operation Describe --operation Read --topic rollcall.activity
kafka-acls.sh --bootstrap-server HOST:PORT --add --allow-principal User:lake \\
    --operation Describe --operation Read --group lake. --resource-pattern-type prefixed
```

What Rollcall [forgets](privacy.md) leaves a topic by its age only, and never what was copied from it.
"""

_FACTS = """
## Activity

`occurred_at` and `received_at` are epoch **milliseconds**. ClickHouse takes such a number for seconds where the column
is a `DateTime64`, and says `9999-12-31`; a `DateTime` says `2106-02-07`. So take it as `Int64` and convert it. The day
of an act is that of the site's time zone, which is no part of the record.
"""

_DIRECTORY = """
## Directory

`kind` says which of the following a row is. Rows count once the `snapshot_complete` of the same `site` and
`snapshot_id` has come, and the newest such snapshot is the directory; what its `lacks` names is still as an earlier
one has it. Every row has
"""

_CONTAINERS = {"array": "array of strings", "object": "object of strings"}
_OF_EVERY_ROW = ("kind", "site", "snapshot_id")

_CLICKHOUSE = """
## Into ClickHouse

Rollcall's own consumers write more than this, and count it for the days of each site. To have the bare facts
elsewhere:

```sql
CREATE TABLE jira_activity
(
    site LowCardinality(String), event_key String, account_id String, account_type LowCardinality(String),
    family LowCardinality(String), action LowCardinality(String), occurred_at DateTime64(3, 'UTC'),
    issue_id UInt64, issue_key String, project_key LowCardinality(String), fields Array(String),
    source LowCardinality(String), received_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(received_at)
ORDER BY (site, event_key);

CREATE TABLE jira_activity_queue
(
    site String, event_key String, account_id String, account_type String, family String, action String,
    occurred_at Int64, issue_id UInt64, issue_key String, project_key String, fields Array(String),
    source String, received_at Int64
)
ENGINE = Kafka
SETTINGS kafka_broker_list = 'HOST:PORT', kafka_topic_list = 'rollcall.activity', kafka_group_name = 'lake.rollcall',
    kafka_format = 'JSONEachRow', input_format_skip_unknown_fields = 1;

CREATE MATERIALIZED VIEW jira_activity_reader TO jira_activity AS
SELECT * REPLACE (
    fromUnixTimestamp64Milli(occurred_at, 'UTC') AS occurred_at,
    fromUnixTimestamp64Milli(received_at, 'UTC') AS received_at
)
FROM jira_activity_queue;
```

Read it with `FINAL`, or count `uniqExact(site, event_key)`. A test brings records through these tables, with the queue
filled by hand; no ClickHouse server with a broker was tried.
"""


def records_schema() -> str:
    """Return docs/records.schema.json: the three kinds of record, under ``$defs``."""
    records, parts = msgspec.json.schema_components([Activity, Directory, DeadLetter], ref_template="#/$defs/{name}")
    for part in parts.values():
        part["description"] = _in_markdown(part["description"])
    schema = {
        "$schema": _DIALECT,
        "title": "Rollcall's records",
        "description": "Each topic has one of these kinds: $defs/Activity, $defs/Directory, $defs/DeadLetter.",
        "$defs": {**parts, "Directory": records[1]},
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def records_page() -> str:
    """Return docs/records.md."""
    kinds, fields = typing.get_args(Directory), _schema(User)["properties"]
    return page(
        GENERATED,
        "# Records",
        _INTRODUCTION,
        "## Topics",
        table(("topic", "what", "key", "kept for", "who may read it"), _TOPIC_ROWS),
        _READING,
        _FACTS,
        _table(Activity),
        _DIRECTORY,
        table(
            ("field", "JSON", "meaning"),
            [
                (code("kind"), "string", "which row it is"),
                *((code(name), _form(fields[name]), _meanings(User)[name]) for name in _OF_EVERY_ROW[1:]),
            ],
        ),
        *(part for kind in kinds for part in _section(kind)),
        "## Dead letter",
        _in_markdown(inspect.getdoc(DeadLetter)),
        _table(DeadLetter),
        _CLICKHOUSE,
    )


def _section(kind: type[DirectoryRow]) -> tuple[str, str, str]:
    rows = (row[:3] for name, row in _rows(kind).items() if name not in _OF_EVERY_ROW)
    heading = f"### {kind.__struct_config__.tag}"
    return heading, _in_markdown(inspect.getdoc(kind)), table(("field", "JSON", "default"), rows)


def _table(record: type[msgspec.Struct]) -> str:
    return table(("field", "JSON", "default", "meaning"), _rows(record).values())


def _rows(record: type[msgspec.Struct]) -> dict[str, tuple[str, str, str, str]]:
    schema, meanings = _schema(record), _meanings(record)
    return {
        name: (
            code(name),
            _form(field),
            "none" if name in schema["required"] else code(json.dumps(field["default"])),
            _in_markdown(meanings.get(name)),
        )
        for name, field in schema["properties"].items()
    }


def _schema(record: type[msgspec.Struct]) -> dict[str, Any]:
    _, parts = msgspec.json.schema_components([record], ref_template="#/$defs/{name}")
    found: dict[str, Any] = parts[record.__name__]
    return found


def _form(field: Mapping[str, Any]) -> str:
    if words := field.get("enum"):
        return " or ".join(code(json.dumps(word)) for word in words)
    if forms := field.get("anyOf"):
        return " or ".join(map(_form, forms))
    if field.get("contentEncoding"):
        return f"string, {field['contentEncoding']}"
    return _CONTAINERS.get(field["type"], str(field["type"]))


def _meanings(record: type[msgspec.Struct]) -> dict[str, str]:
    """Return what the docstrings of a record and of what it derives from say of each field."""
    found: dict[str, str] = {}
    for owner in reversed(record.__mro__):
        _, _, attributes = (inspect.getdoc(owner) or "").partition("Attributes:\n")
        for name, text in re.findall(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", attributes, re.MULTILINE):
            found[name] = " ".join(text.split())
    return {name: found.get(name, "") for name in record.__struct_fields__}


def _in_markdown(docstring: str | None) -> str:
    """Return the prose of a docstring, which says of the code what readers of the records need not know."""
    text = (docstring or "").partition("\n\nAttributes:")[0].partition("\n\n    Attributes:")[0]
    text = re.sub(r"(?:, )?see `rollcall\.identity`", ", which [webhooks.md](webhooks.md) explains", text)
    text = re.sub(r"\s*\n {4}", "\n", text.replace("``", "`"))
    return re.sub(r"\bis None\b", "is null", text)
