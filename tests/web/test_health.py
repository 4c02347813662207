"""The view of health is never calmer than the pipeline is."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from console.reports import COVERAGE, read_report
from console.web.overview import PipelineState
from console.web.pipeline_health import Health, Letters, Runs, next_run, percent
from ingest import endpoint, refusals
from reconcile.state.checkpoint import LastRun, keep_last_run
from reconcile.state.run_state import state_folder
from rollcall.clock import now_ms
from rollcall.dead_letters import record_of
from rollcall.eventlog import EventLog
from rollcall.metrics import WEBHOOKS
from rollcall.records import DeadLetter, SnapshotComplete
from rollcall.settings import Settings
from rollcall.warehouse import Warehouse

from ..facts import Refreshing, entries, fact
from ..seats.warehouse import SOFTWARE, Snapshot, directory
from . import holders
from .serving import Served, served, settings_of

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
KNOWN, BROUGHT = 10, 4


async def seed(settings: Settings, warehouse: Warehouse, log: EventLog) -> None:
    """A site of which 60 % of the webhooks were lost, with dead letters and a run that lacks something."""
    facts = []
    for number in range(KNOWN):
        at = now_ms() - 3_600_000 - number
        read = fact(f"comment:{number}", at, account_id="acts", source="reconcile")
        facts += [read] if number >= BROUGHT else [fact(f"comment:{number}", at, account_id="acts"), read]
    await Refreshing(warehouse, sites=settings.sites).write(entries(facts))
    snapshot = Snapshot(holders.ago(1), {"acts": (SOFTWARE,)})
    rows = snapshot.complete(lacks=("projects", "roles"))
    assert isinstance(rows[-1], SnapshotComplete)
    await directory(warehouse, rows)
    letters = [("acme", "not_json", 0), ("acme", "not_json", 1), ("", "bad_record", 2), ("borealis", "other", 3)]
    await log.append(
        "rollcall.deadletter",
        [
            record_of(
                DeadLetter(
                    letter_id=f"{number:032}",
                    site=site,
                    origin="webhook",
                    reason=reason,
                    detail="",
                    received_at=now_ms(),
                )
            )
            for site, reason, number in letters
        ],
    )
    folder = state_folder(settings)
    assert folder
    folder.mkdir(parents=True)
    keep_last_run(folder, "acme", LastRun(now_ms() - 3 * 86_400_000, False, ["roles: <b>refused</b>"]))


@pytest.fixture(scope="module")
def ailing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    settings = settings_of(tmp_path_factory.mktemp("ailing"), holders.SITES, organization=holders.ORGANIZATION)
    WEBHOOKS.clear()  # of this process, in which other tests had posts refused
    for counter in (endpoint._counter, refusals._counter):
        counter.cache_clear()
    with served(settings, seed) as page:
        httpx.post(f"{page.url}/webhooks/acme", content=b"{}", timeout=60)  # unsigned
        yield page


@pytest.fixture(scope="module")
def text(ailing: Served) -> str:
    return httpx.get(f"{ailing.url}/health?site=acme", timeout=60).text


def test_lost_webhooks_show(ailing: Served, text: str) -> None:
    rows = ailing.ask(read_report(ailing.warehouse, COVERAGE, ["acme"], 30, all_accounts=False))
    assert sum(row["known"] for row in rows) == KNOWN
    assert "Webhooks brought 40 % of what Jira knows of these days, below the line of 95 %" in text
    assert '<strong id="share" data-value="0.4">40 %</strong>' in text
    shown = re.findall(r'<tr class="low"><th scope="row">([0-9-]+)</th><td class="number">(\d+)</td>', text)
    assert shown == [(str(row["day"]), str(row["known"])) for row in reversed(rows)]


def test_every_trouble_is_said(text: str) -> None:
    assert 'id="calm"' not in text
    troubles = text.partition('id="troubles"')[2].partition("</section>")[0]
    for one in (
        "3 dead letters open",
        "1 post refused",
        "could not read everything",
        "more than two days old",
        "directory lacks parts",
        "Who looked is not known",
    ):
        assert one in troubles


def test_dead_letters_and_refused_posts_stand_by_reason(text: str) -> None:
    counted = dict(re.findall(r'<li data-reason="(\w+)" data-count="(\d+)">', text))
    assert counted == {"not_json": "2", "bad_record": "1", "no_signature": "1"}
    assert "other" not in counted, "which is another site's"


def test_what_runs_lack_is_said_and_is_no_markup(text: str) -> None:
    assert "<li>roles: &lt;b&gt;refused&lt;/b&gt;</li>" in text
    assert "lacks projects, roles" in text


def test_each_source_has_its_age(text: str) -> None:
    assert {"users", "licenses"} <= set(re.findall(r'data-part="(\w+)"', text))
    assert "1 day ago" in text.partition('id="ages"')[2]


def healthy(**changes: Any) -> Health:
    values: dict[str, Any] = {
        "state": PipelineState(consumer_trouble=""),
        "last_webhook": NOW,
        "refused": [],
        "coverage": [{"known": 100, "by_webhook": 95, "share": 0.95}],
        "line": 0.95,
        "letters": [],
        "snapshots": [{"lacks": []}],
        "parts": [{"part": "looked", "at": NOW - timedelta(days=2)}],
        "runs": Runs(True, LastRun(int((NOW - timedelta(hours=20)).timestamp() * 1000), False)),
        "asks_who_looked": True,
        "now": NOW,
    }
    return Health(**{**values, **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {"state": PipelineState(log_trouble="away")},
        {"state": PipelineState(consumer_trouble="stopped")},
        {"coverage": [{"known": 1000, "by_webhook": 949, "share": 0.949}]},
        {"letters": [Letters("not_json", "webhook", 1, NOW)]},
        {"snapshots": [{"lacks": ["roles"]}, {"lacks": []}]},
        {"parts": []},
        {"parts": [{"part": "looked", "at": NOW - timedelta(days=3, seconds=1)}]},
        {"runs": Runs(trouble="cannot be read")},
        {"runs": Runs(True, LastRun(int((NOW - timedelta(hours=49)).timestamp() * 1000), False))},
        {"runs": Runs(True, LastRun(int(NOW.timestamp() * 1000), False, ["roles"]))},
    ],
)
def test_any_trouble_alone_ends_the_calm(changes: dict[str, Any]) -> None:
    assert (healthy().troubles, healthy().unknowns) == ([], [])
    assert len(healthy(**changes).troubles) == 1


@pytest.mark.parametrize(
    "changes", [{"coverage": []}, {"runs": Runs()}, {"last_webhook": None}, {"asks_who_looked": False, "parts": []}]
)
def test_what_is_not_known_is_not_calm_either(changes: dict[str, Any]) -> None:
    assert healthy(**changes).troubles == []
    assert len(healthy(**changes).unknowns) == 1


def test_a_share_is_never_rounded_up() -> None:
    assert [percent(share) for share in (0.0, 0.4, 0.9499, 0.95, 0.99999, 1.0)] == [
        "0 %", "40 %", "94.9 %", "95 %", "99.9 %", "100 %"
    ]  # fmt: skip


def test_the_next_run_is_the_next_moment_at_which_one_is_due() -> None:
    site = {**holders.SITES["acme"], "email": "svc@acme.example", "api_token": "t"}
    settings = Settings.model_validate({"sites": {"acme": site}, "reconcile": {"daily_at": "03:00"}})
    for hour, day in ((1, 27), (2, 28), (23, 28)):  # 03:00 in Berlin is 02:00 UTC
        assert next_run(settings, "acme", NOW.replace(hour=hour)) == datetime(2026, 11, day, 2, tzinfo=UTC)
    off = Settings.model_validate({"sites": {"acme": site}, "reconcile": {"daily_at": ""}})
    assert next_run(off, "acme", NOW) is None
    assert next_run(Settings.model_validate({"sites": holders.SITES}), "acme", NOW) is None
