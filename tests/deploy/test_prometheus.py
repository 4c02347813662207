"""Prometheus' alerts: each fires by its cause and clears after it, asks for what is told, and is in the runbook."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from ingest.refusals import MEANINGS
from tools.reference.metrics import all_metrics, metric_name

from ..docs.pages import sections, text_of
from ..docs.test_links import anchors
from .files import ROOT
from .grafana import DASHBOARDS, alert_rules, loaded, targets

ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yml"
UNITS = sorted(Path(__file__).parent.glob("alerts_*.yml"))
REQUIRED = "ROLLCALL_REQUIRE_PROMTOOL"
NO_PROMTOOL = "promtool is not installed (Debian: apt-get install prometheus)"
TOLD_BY_THE_CLIENT = {"process_start_time_seconds"}
TOLD_BY_PROMETHEUS = {"up"}
RUNBOOK = ROOT / "docs" / "runbook.md"


def promtool(*arguments: str) -> str:
    """What promtool says, which must be well; without one the test fails where it is required, and else is skipped."""
    program = shutil.which("promtool")
    if not program:
        if os.environ.get(REQUIRED):
            pytest.fail(f"{REQUIRED} is set, and {NO_PROMTOOL}")
        pytest.skip(NO_PROMTOOL)
    done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def rules() -> dict[str, dict[str, Any]]:
    groups = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]
    every = [rule for group in groups for rule in group["rules"]]
    found = {rule["alert"]: rule for rule in every}
    assert len(found) == len(every)
    return found


def named_metrics(expr: str) -> set[str]:
    """The metrics that an expression asks for, without what stands in braces and quotes."""
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]|\"[^\"]*\"", "", expr)
    return {name.removesuffix("_bucket") for name in re.findall(r"\b(?:rollcall|process)_\w+|\bup\b", bare)}


def test_the_rules_are_well_formed() -> None:
    assert f"{len(rules())} rules found" in promtool("check", "rules", str(ALERTS))


@pytest.mark.parametrize("units", UNITS, ids=lambda path: path.stem)
def test_alerts_fire_by_their_causes_and_clear_after_them(units: Path) -> None:
    assert "SUCCESS" in promtool("test", "rules", str(units))


def test_no_alert_is_without_a_cause_and_an_end_that_were_tried() -> None:
    fired, cleared = set[str](), set[str]()
    for path in UNITS:
        told = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert [(path.parent / one).resolve() for one in told["rule_files"]] == [ALERTS]
        for case in told["tests"]:
            tried = {
                (one["alertname"], bool(one["exp_alerts"]), _minutes(one["eval_time"]))
                for one in case["alert_rule_test"]
            }
            fires = {name: at for name, firing, at in tried if firing}
            fired |= fires.keys()
            cleared |= {name for name, firing, at in tried if not firing and at > fires.get(name, at)}
    assert fired == cleared == set(rules())


def _minutes(time: str) -> int:
    return int(time[:-1]) * {"m": 1, "h": 60}[time[-1]]


def test_alerts_ask_for_metrics_that_there_are() -> None:
    known = {metric_name(metric) for metric in all_metrics()} | TOLD_BY_THE_CLIENT | TOLD_BY_PROMETHEUS
    for name, rule in rules().items():
        asked = named_metrics(rule["expr"])
        assert asked, name
        assert asked <= known, name


def test_alerts_on_refusals_name_every_reason() -> None:
    def reasons(name: str) -> set[str]:
        return set(re.findall(r'outcome=~"([^"]+)"', rules()[name]["expr"])[0].split("|"))

    lost = {reason for reason, meaning in MEANINGS.items() if meaning.lost}
    assert reasons("RollcallWebhooksRefused") == lost
    assert reasons("RollcallWebhooksUnanswered") == MEANINGS.keys() - lost - {"not_post", "stopping"}


LEADS = ("**Means:**", "**See:**", "**Type:**", "**May wait:**")


def test_every_alert_has_its_section_in_the_runbook() -> None:
    known = anchors(RUNBOOK)
    linked = []
    for rule in [*rules().values(), *alert_rules()]:
        page, _, anchor = rule["annotations"]["runbook_url"].partition("#")
        assert page == "docs/runbook.md"
        assert anchor in known
        linked.append(anchor)
    assert all(name.lower() in linked for name in rules())
    told = [(heading, part) for heading, part in sections(text_of("docs/runbook.md"), 3)]
    assert {heading.lower().replace(" ", "-") for heading, _ in told} == set(linked)
    for heading, part in told:
        places = [part.find(lead) for lead in LEADS]
        assert -1 < places[0] < places[1] < places[2] < places[3], heading


def test_dashboards_ask_prometheus_what_it_can_parse(tmp_path: Path) -> None:
    asked = [
        target["expr"].replace("$__rate_interval", "5m").replace("${site:regex}", "acme")
        for path in DASHBOARDS
        for _, target in targets(loaded(path), "prometheus")
    ]
    records = [{"record": f"panel:{number}", "expr": expr} for number, expr in enumerate(asked)]
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": records}]}))
    assert f"{len(asked)} rules found" in promtool("check", "rules", str(file))
