"""`rollcall reconcile` as a process: exit codes, JSON, a dry run, and beside a running `up`."""

import asyncio
import hashlib
import hmac
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer

from console.commands.reconciliation import run_options
from ingest.handler import translate
from reconcile.state.window import Window
from simulator.config import SiteConfig
from simulator.hooks.delivery import Announcer, Delivery
from simulator.life.stream import acts
from simulator.rest.site import TOKEN

from ..ports import free_port
from .commandline import command, process, start, write_config
from .installed import seven_of_ten
from .oracle import known_to_rest, told
from .site import SECRET, config, jira_site

pytestmark = pytest.mark.anyio

SITE = config(people=6, acts_per_day=3.0, days=32, hard_cases=False)


async def test_a_dry_run_tells_what_a_run_then_finds(tmp_path: Path) -> None:
    async with jira_site(config(people=5, acts_per_day=1.0, days=32)) as jira:
        path = write_config(jira.url, tmp_path)
        dry = await command(path, "reconcile", "--dry-run", "--format", "json")
        assert (dry.code, sorted(one.name for one in tmp_path.iterdir())) == (0, ["rollcall.toml"])
        run = await command(path, "reconcile", "--format", "json")
        assert run.code == 0
        assert dry.value("facts", "new") == run.value("facts", "new") == run.value("facts", "found") > 1000
        assert all(row.keys() == {"site", "part", "name", "value"} for row in run.rows)
        assert all(not isinstance(row["value"], dict | list) for row in run.rows)


async def test_exit_codes(tmp_path: Path) -> None:
    async with jira_site(SITE, permissions=["BROWSE_PROJECTS"]) as jira:
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        path = write_config(jira.url, tmp_path)
        incomplete = await command(path, "reconcile", "--days", "2", "--format", "json")
        wrong = await command(path, "reconcile", "--site", "nowhere")
        refused = await command(write_config(jira.url, tmp_path, token="wrong-token-0123"), "reconcile")
        assert incomplete.code == 3
        assert "missing: users, licenses and roles" in incomplete.err
        assert [row["value"] for row in incomplete.rows if row["part"] == "missing"]
        assert refused.code == 1
        assert "check email and api_token" in refused.err
        assert "wrong-token-0123" not in refused.err + refused.out
        assert wrong.code == 2


async def test_sites_without_a_token_are_wrong_settings_unless_another_failed(tmp_path: Path) -> None:
    def sites(**tokens: str) -> Path:
        path = write_config(jira.url, tmp_path)
        general, _, site = path.read_text().partition("[sites.acme]")
        blocks = [
            f"[sites.{name}]" + site.replace(f'api_token = "{TOKEN}"', f'api_token = "{token}"' if token else "")
            for name, token in tokens.items()
        ]
        path.write_text(general + "".join(blocks))
        return path

    async with jira_site(SITE) as jira:
        codes = [
            (await command(sites(**tokens), "reconcile", "--days", "1")).code
            for tokens in ({"a": "", "b": ""}, {"a": "", "b": TOKEN}, {"a": "", "b": "wrong-token-0123"})
        ]
        assert codes == [2, 2, 1]


@pytest.mark.parametrize(
    ("text", "until"),
    [
        ("2026-11-17T10:00+01:00", "2026-11-17T09:00:00"),
        ("2026-11-17T10:00:00+01:00", "2026-11-17T09:00:00"),
        ("2026-11-17T10:00Z", "2026-11-17T10:00:00"),
        ("2026-11-17T10:00", "2026-11-17T09:00:00"),
        ("2026-11-17 10:00-0500", "2026-11-17T15:00:00"),
        ("2026-11-17", "2026-11-16T23:00:00"),
    ],
)
async def test_moments_with_and_without_an_offset(tmp_path: Path, text: str, until: str) -> None:
    async with jira_site(SITE) as jira:
        path = write_config(jira.url, tmp_path)
        found = await command(
            path, "reconcile", "--dry-run", "--only", "directory", "--since", "2026-11-16", "--until", text,
            "--format", "json",
        )  # fmt: skip
        assert found.code == 0, found.err
        assert moment(found.value("run", "until")) == moment(f"{until}+00:00")


@pytest.mark.parametrize("text", ["yesterday", "17.11.2026", "2026-02-30", "", "0001-01-01"])
async def test_what_is_no_time_is_told_with_the_forms_that_are_taken(tmp_path: Path, text: str) -> None:
    wrong = await command(write_config("https://acme.example", tmp_path), "reconcile", "--since", text)
    assert wrong.code == 2
    words = " ".join(wrong.err.replace("│", " ").split())
    assert "--since" in words
    assert "%" not in words
    told = (
        "before the first Jira"
        if text == "0001-01-01"
        else "write YYYY-MM-DD, YYYY-MM-DD HH:MM, or that with an offset"
    )
    assert told in words


@pytest.mark.parametrize(
    ("since", "until"),
    [("2026-11-17", "2026-11-16"), ("2026-11-17", "2026-11-17"), ("2026-11-17T10:00", "2026-11-17T10:30+02:00")],
)
async def test_an_end_before_the_beginning_is_told_as_that_before_anything_is_asked(
    tmp_path: Path, since: str, until: str
) -> None:
    async with jira_site(SITE) as jira:
        path = write_config(jira.url, tmp_path)
        wrong = await command(path, "reconcile", "--since", since, "--until", until)
        assert wrong.code == 2
        assert "is not after --since (2026-11-17" in wrong.err
        assert jira.requests == 0


MISFITS: list[dict[str, Any]] = [
    {"days": 3, "since": datetime(2026, 11, 1, tzinfo=UTC)},
    {"resume": True, "days": 3},
    {"resume": True, "dry_run": True},
    {"resume": True, "whole": True},
    {"whole": True, "days": 30},
    {"whole": True, "until": datetime(2026, 11, 1, tzinfo=UTC)},
]


@pytest.mark.parametrize("options", MISFITS)
def test_options_that_do_not_fit_together(options: dict[str, Any]) -> None:
    wanted = {"days": None, "since": None, "until": None, "only": None, "dry_run": False, "resume": False}
    with pytest.raises(typer.BadParameter):
        run_options(**{**wanted, **options})


async def test_a_second_run_tells_since_when_it_reads(tmp_path: Path) -> None:
    async with jira_site(SITE) as jira:
        path = write_config(jira.url, tmp_path)
        first = await command(path, "reconcile", "--only", "activity", "--format", "json")
        assert [row for row in first.rows if row["name"] == "issues moved since"] == []
        before = jira.requests
        again = await command(path, "reconcile", "--only", "activity", "--format", "json")
        assert moment(again.value("run", "issues moved since")) == moment(again.value("run", "until")) - 2 * 3_600_000
        assert again.value("run", "since") == first.value("run", "since")
        assert again.value("coverage", "facts that REST knows") == first.value("coverage", "facts that REST knows")
        assert jira.requests - before <= 8
        whole = await command(path, "reconcile", "--only", "activity", "--whole", "--format", "json")
        assert whole.value("issues", "candidates") == first.value("issues", "candidates")


async def test_beside_up_while_webhooks_pour_in(tmp_path: Path) -> None:
    """`up` holds the files: its consumers write, it rebuilds the days, and the command tells the coverage."""
    async with jira_site(SITE) as jira:
        listen = free_port()
        path = write_config(jira.url, tmp_path, listen=listen, sql_listen=free_port())
        up = await start(path, "up")
        try:
            await door_is_open(tmp_path)
            deliveries = [one for one in history(jira.site.config) if seven_of_ten(one)]
            half = len(deliveries) // 2
            async with httpx.AsyncClient(trust_env=False) as client:
                url = f"http://127.0.0.1:{listen}/webhooks/acme"
                await post(client, url, deliveries[:half])
                pouring = asyncio.create_task(post(client, url, deliveries[half:]))
                run = await process(path, "reconcile", "--format", "json")
                await pouring
            assert run.code == 0, run.err
            again = await process(path, "reconcile", "--format", "json")
            assert again.value("facts", "new") == 0
            # The SQL door answers what a run asks the warehouse before and after.
            assert again.value("run", "issues moved since")
            jira.site.vanish_issue(max(one.issue_id for one in told(jira.site).values() if one.rest_at))
            whole = await process(path, "reconcile", "--whole", "--only", "activity", "--format", "json")
            assert whole.value("note", "") == "1 issue of these days that Jira no longer lists; their facts stay"
        finally:
            up.terminate()
            await up.communicate()
        since, until = (again.value("run", name) for name in ("since", "until"))
        assert since < until
        brought = {key for one in deliveries for key in keys(one)}
        days = json.loads((await process(path, "report", "coverage", "--days", "3650", "--format", "json")).out)
        window = Window(moment(since), moment(until))
        rest = known_to_rest(jira.site, window)
        feed = {key for key, one in told(jira.site).items() if (one.family, one.action) == ("worklog", "deleted")}
        slack = len(feed - rest.keys())
        assert len(rest) <= sum(day["known"] for day in days) <= len(rest) + slack
        by_webhook = sum(day["by_webhook"] for day in days)
        assert len(rest.keys() & brought) <= by_webhook <= len(rest.keys() & brought) + slack


def moment(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


async def door_is_open(folder: Path) -> None:
    lock = folder / "warehouse.lock"
    for _ in range(600):
        if lock.exists() and b"http" in lock.read_bytes():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("`up` never opened its SQL door")


def history(site: SiteConfig) -> list[Delivery]:
    announcer = Announcer(site)
    return [one for act in acts(site, site.start_ms, site.now_ms) for one in announcer.deliveries(act)]


def keys(delivery: Delivery) -> list[str]:
    return [fact.event_key for fact in translate("acme", delivery.body, delivery.flow, delivery.at + 400).facts]


async def post(client: httpx.AsyncClient, url: str, deliveries: list[Delivery]) -> None:
    async def one(delivery: Delivery) -> None:
        signed = hmac.new(SECRET.encode(), delivery.body, hashlib.sha256).hexdigest()
        headers = {"x-hub-signature": f"sha256={signed}", "x-atlassian-webhook-flow": delivery.flow}
        assert (await client.post(url, content=delivery.body, headers=headers, timeout=60)).status_code == 204

    for start_at in range(0, len(deliveries), 40):
        await asyncio.gather(*map(one, deliveries[start_at : start_at + 40]))
