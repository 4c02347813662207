"""The files for Grafana: dashboards, alert rules and sources are whole, and name only what there is."""

import re
from pathlib import Path

import pytest
import yaml

from tools.reference.metrics import all_metrics, metric_name

from ..docs.pages import plain, tables, text_of
from .files import ROOT, services
from .grafana import (
    DASHBOARDS,
    GRAFANA,
    MACROS,
    PLUGIN,
    alert_rules,
    every_sql,
    loaded,
    panels,
    tables_of,
    targets,
    used_macros,
    used_variables,
    variables,
)

CONTRACT = {plain(row[0].split(",")[0]) for row in tables(text_of("docs/warehouse.md"))[0] if row[2] == "contract"} | {
    "user_usage",
    "license_usage",
}
INTERNAL = {
    "sites": "names of the sites",
    "site_days": "what day it is there",
    "activity_sources": "when a webhook came last, which no contract tells",
    "current_parts": "how old the directory is",
    "directory_snapshots": "what runs could not read",
}


def test_no_query_reads_the_facts_themselves() -> None:
    for sql in every_sql():
        read = tables_of(sql)
        assert read
        assert read <= (CONTRACT - {"activity"}) | set(INTERNAL), sql


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_variables_macros_and_sources_are_those_that_there_are(path: Path) -> None:
    dashboard = loaded(path)
    offered = variables(dashboard)
    text = path.read_text(encoding="utf-8")
    named = used_variables(text)
    assert named == set(offered)
    assert used_macros(text) <= MACROS
    sources = {f"${{{name}}}": one["query"] for name, one in offered.items() if one["type"] == "datasource"}
    assert sources["${datasource}"] == PLUGIN
    asking = [one for one in offered.values() if one["type"] == "query"]
    for one in [*asking, *(panel for panel in panels(dashboard) if panel["type"] != "row")]:
        for asked in (one, *one.get("targets", [])):
            assert sources[asked["datasource"]["uid"]] == asked["datasource"]["type"]
    for one in offered.values():
        several = one.get("multi", False)
        assert not several or one["includeAll"]
        uses = re.findall(rf"\$\{{{one['name']}(?::(\w+))?\}}", text)
        if one["type"] == "query":
            assert set(uses) <= {"singlequote", "regex"}, "a name may have quotes in it"


def test_dashboards_can_be_provisioned_and_read() -> None:
    dashboards = [loaded(path) for path in DASHBOARDS]
    assert [one["title"] for one in dashboards] == ["Rollcall: who is active", "Rollcall: pipeline", "Rollcall: seats"]
    assert len({one["uid"] for one in dashboards}) == len(dashboards)
    for dashboard in dashboards:
        assert dashboard["editable"] is False
        every = list(panels(dashboard))
        assert len({panel["id"] for panel in every}) == len(every)
        taken = set[tuple[int, int]]()
        for panel in every:
            place = panel["gridPos"]
            cells = {
                (x, y)
                for x in range(place["x"], place["x"] + place["w"])
                for y in range(place["y"], place["y"] + place["h"])
            }
            assert place["x"] + place["w"] <= 24
            assert not cells & taken, panel["title"]
            taken |= cells
            if panel["type"] != "row":
                assert len(panel["description"]) > 40, panel["title"]
                assert panel["fieldConfig"]["defaults"]["unit"]
                assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"]) > 0


def test_prometheus_is_asked_for_metrics_that_there_are() -> None:
    known = {metric_name(metric) for metric in all_metrics()}
    asked = [target["expr"] for path in DASHBOARDS for _, target in targets(loaded(path), "prometheus")]
    assert asked
    for expr in asked:
        named = re.findall(r"rollcall_\w+", expr)
        assert named
        assert {name.removesuffix("_bucket") for name in named} <= known, expr


def test_alert_rules_ask_the_provisioned_source_and_hold_no_dollar() -> None:
    text = (GRAFANA / "provisioning/alerting/rollcall.yaml").read_text(encoding="utf-8")
    assert "$" not in text, "Grafana takes what follows for a variable of its environment"
    [source] = yaml.safe_load((GRAFANA / "provisioning/datasources/clickhouse.yaml").read_text())["datasources"]
    rules = alert_rules()
    assert len({rule["uid"] for rule in rules}) == len(rules) == 4
    for rule in rules:
        query, condition = rule["data"]
        assert (query["refId"], query["datasourceUid"]) == ("A", source["uid"])
        assert (condition["refId"], condition["datasourceUid"]) == (rule["condition"], "__expr__")
        assert condition["model"]["expression"] == query["refId"] == query["model"]["refId"]
        assert condition["model"]["refId"] == condition["refId"]
        assert rule["annotations"]["summary"]
        assert len(rule["uid"]) <= 40


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


def test_the_folder_has_what_the_documentation_says() -> None:
    page = text_of("docs/grafana.md")
    for path in [*DASHBOARDS, *(GRAFANA / "provisioning").rglob("*.yaml")]:
        assert f"`{path.relative_to(ROOT)}`" in page
