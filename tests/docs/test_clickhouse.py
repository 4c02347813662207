"""The SQL that administrators are told to run can be parsed, and grants what is needed and no more."""

import re

import pytest

from rollcall.warehouse import Warehouse
from rollcall.warehouse.client import WRITE_SETTINGS

from ..deploy.files import READABLE, grants
from .pages import blocks, text_of

pytestmark = pytest.mark.anyio
PAGE = text_of("docs/clickhouse.md")
STATEMENTS = [" ".join(one.split()) for block in blocks(PAGE, "sql") for one in block.split(";") if one.strip()]


async def test_every_statement_is_one(warehouse: Warehouse) -> None:
    assert len(STATEMENTS) > 20
    for sql in STATEMENTS:
        await warehouse.query("SELECT formatQuery({sql:String})", {"sql": sql})


def test_dashboards_may_read_every_table_and_view_and_nothing_else() -> None:
    granted = [one for one in STATEMENTS if one.startswith("GRANT") and one.endswith("TO rollcall_dashboards")]
    assert {
        one.removeprefix("GRANT SELECT ON rollcall.").removesuffix(" TO rollcall_dashboards") for one in granted
    } == READABLE


def test_the_file_of_compose_grants_the_same() -> None:
    told = {re.sub(r" TO \w+$", "", one) for one in STATEMENTS if one.startswith("GRANT")}
    of_clusters = {one for one in told if re.search("CLUSTER|REPLICA|system.clusters|system.replicas", one)}
    assert set(grants()) == told - of_clusters


def test_the_writers_profile_is_what_inserts_need() -> None:
    [profile] = [one for one in STATEMENTS if "SETTINGS PROFILE IF NOT EXISTS rollcall_writer" in one]
    assert dict(re.findall(r"(\w+) = (\d+)", profile)) == {name: str(value) for name, value in WRITE_SETTINGS.items()}
