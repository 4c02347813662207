"""Grafana's files, and what Grafana and its ClickHouse plugin make of an SQL text before they send it."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from .files import ROOT

GRAFANA = ROOT / "deploy" / "grafana"
DASHBOARDS = sorted((GRAFANA / "dashboards").glob("*.json"))
PLUGIN = "grafana-clickhouse-datasource"
ALL = "$__all"
"""The value of a variable that stands at All."""

MACROS = {"timeFilter", "conditionalAll"}
"""Macros that are used, of those that the plugin documents. `dateFilter` is not: it takes the days of UTC, and leaves
today out where the site's has begun."""
BUILT_IN = {"__rate_interval"}
"""Variables of Grafana's own that are used."""

_VARIABLE = re.compile(r"\$\{(\w+)(?::(\w+))?\}|\$(\w+)")
_CONDITIONAL = "$__conditionalAll("


def loaded(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def panels(dashboard: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Every panel, those of rows that are folded included, and the rows themselves."""
    for panel in dashboard["panels"]:
        yield panel
        yield from panel.get("panels", [])


def targets(dashboard: Mapping[str, Any], plugin: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Every query that goes to a plugin, behind its panel."""
    for panel in panels(dashboard):
        for target in panel.get("targets", []):
            if target["datasource"]["type"] == plugin:
                yield panel, target


def variables(dashboard: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    found = {one["name"]: one for one in dashboard["templating"]["list"]}
    assert len(found) == len(dashboard["templating"]["list"])
    return found


def used_variables(text: str) -> set[str]:
    """The variables that a text names, but for macros and for Grafana's own."""
    names = {braced or bare for braced, _, bare in _VARIABLE.findall(text)}
    return {name for name in names - BUILT_IN if not name.startswith("__")}


def used_macros(text: str) -> set[str]:
    return set(re.findall(r"\$__(\w+)\(", text))


def alert_rules() -> list[dict[str, Any]]:
    text = (GRAFANA / "provisioning/alerting/rollcall.yaml").read_text(encoding="utf-8")
    return [rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]


def expanded(
    sql: str, values: Mapping[str, Sequence[str]], options: Mapping[str, Sequence[str]], span: tuple[datetime, datetime]
) -> str:
    """Return what ClickHouse gets.

    Args:
        sql: With variables and macros.
        values: What each variable stands at: one value, several, or ``[ALL]``.
        options: What each offers, which `ALL` stands for.
        span: The dashboard's time range.
    """
    sql = _without_conditions(sql, values)

    def value(match: re.Match[str]) -> str:
        name = match[1] or match[3]
        if name.startswith("__"):
            return match[0]
        chosen = options[name] if list(values[name]) == [ALL] else values[name]
        if match[2] == "singlequote":
            return ",".join("'" + one.replace("'", "\\'") + "'" for one in chosen)
        assert match[2] is None
        return chosen[0] if len(chosen) == 1 else "'" + "','".join(chosen) + "'"

    sql = _VARIABLE.sub(value, sql)
    first, last = (f"toDateTime({int(moment.timestamp())})" for moment in span)
    sql = re.sub(r"\$__timeFilter\(([\w.]+)\)", rf"\1 >= {first} AND \1 <= {last}", sql)
    sql = sql.replace("$__fromTime", first).replace("$__toTime", last)
    assert "$" not in sql, sql
    return sql


def _without_conditions(sql: str, values: Mapping[str, Sequence[str]]) -> str:
    while (at := sql.rfind(_CONDITIONAL)) >= 0:
        start, depth, comma = at + len(_CONDITIONAL), 1, -1
        end = start
        while depth:
            depth += {"(": 1, ")": -1}.get(sql[end], 0)
            if sql[end] == "," and depth == 1:
                comma = end
            end += 1
        name = sql[comma + 1 : end - 1].strip()
        assert re.fullmatch(r"\$\w+", name), f"the macro takes a plain variable, not {name}"
        kept = "1=1" if list(values[name[1:]]) == [ALL] else sql[start:comma]
        sql = sql[:at] + kept + sql[end:]
    return sql


def every_sql() -> Iterator[str]:
    for path in DASHBOARDS:
        yield from (target["rawSql"] for _, target in targets(loaded(path), PLUGIN))
        yield from (one["query"] for one in variables(loaded(path)).values() if one["type"] == "query")
    yield from (rule["data"][0]["model"]["rawSql"] for rule in alert_rules())


def tables_of(sql: str) -> set[str]:
    return set(re.findall(r"\b(?:FROM|(?<!ARRAY )JOIN)\s+([a-z]\w*)", sql))
