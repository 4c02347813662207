"""Every panel's SQL runs on the real schema, as the read-only user may run it, and the files fit together."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from rollcall.warehouse import Warehouse

from ..facts import fact, write
from .files import READABLE, ROOT, grants, services

pytestmark = pytest.mark.anyio
GRAFANA = ROOT / "deploy" / "grafana"
DASHBOARDS = sorted((GRAFANA / "dashboards").glob("*.json"))
PLUGIN = "grafana-clickhouse-datasource"


def loaded(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def queries(dashboard: dict[str, Any]) -> list[str]:
    panels = [target["rawSql"] for panel in dashboard["panels"] for target in panel["targets"]]
    return panels + [variable["query"] for variable in dashboard["templating"]["list"]]


def expanded(sql: str) -> str:
    """As the plugin and Grafana expand it."""
    dates = r"\1 >= toDate('2026-10-01') AND \1 <= toDate('2026-12-01')"
    sql = re.sub(r"\$__dateFilter\((\w+)\)", dates, sql).replace("${site:singlequote}", "'acme'")
    assert "$" not in sql, sql
    return sql


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.name)
async def test_every_query_runs_and_finds_what_is_there(path: Path, warehouse: Warehouse) -> None:
    one = fact("comment:1:created", "2026-11-02T10:00:00", source="reconcile")
    await write(warehouse, one, fact("history:2", "2026-11-03T10:00:00"))
    for sql in queries(loaded(path)):
        assert await warehouse.query(expanded(sql)), sql


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.name)
def test_dashboards_name_the_provisioned_source_and_are_stable(path: Path) -> None:
    dashboard = loaded(path)
    [source] = yaml.safe_load((GRAFANA / "provisioning/datasources/clickhouse.yaml").read_text())["datasources"]
    assert dashboard["uid"]
    assert dashboard["editable"] is False
    for panel in dashboard["panels"]:
        named = [panel["datasource"], *(target["datasource"] for target in panel["targets"])]
        assert all(one == {"type": PLUGIN, "uid": source["uid"]} for one in named)
        assert panel["description"]


def test_the_source_is_the_read_only_user() -> None:
    [source] = yaml.safe_load((GRAFANA / "provisioning/datasources/clickhouse.yaml").read_text())["datasources"]
    assert source["type"] == PLUGIN
    assert source["jsonData"]["username"] == "dashboards"
    assert source["secureJsonData"]["password"].removeprefix("$") in services()["grafana"]["environment"]
    [provider] = yaml.safe_load((GRAFANA / "provisioning/dashboards/rollcall.yaml").read_text())["providers"]
    assert provider["allowUiUpdates"] is False
    mounted = [volume.split(":")[1] for volume in services()["grafana"]["volumes"]]
    assert provider["options"]["path"] in mounted
    assert re.fullmatch(rf"{PLUGIN}@\d+\.\d+\.\d+", services()["grafana"]["environment"]["GF_PLUGINS_PREINSTALL_SYNC"])


async def test_the_read_only_user_may_read_all_that_views_read(warehouse: Warehouse) -> None:
    for grant in grants():
        await warehouse.query("SELECT formatQuery({sql:String})", {"sql": f"{grant} TO dashboards"})
    read = {match[1] for grant in grants() if (match := re.fullmatch(r"GRANT SELECT ON rollcall\.(\w+)", grant))}
    assert read == READABLE
