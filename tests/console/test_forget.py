"""A person is taken out of all that is kept, and does not come back."""

import asyncio
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

from typer.testing import CliRunner

from console.main import app
from consumers.supervisor import drain
from rollcall.clock import now_ms
from rollcall.dead_letters import WEBHOOK, dead_letter
from rollcall.records import (
    Activity,
    Added,
    Directory,
    Grant,
    License,
    Looked,
    Project,
    Role,
    Seats,
    SnapshotComplete,
    User,
    encode,
)
from rollcall.runtime import Topics, opened_with_warehouse
from rollcall.settings import load_settings
from rollcall.warehouse import migrate, record_seat_settings, record_sites

from ..facts import fact
from .conftest import Shell

ANNA = "557058:f58131cb-b67d-43c7-b30d-6b58d40bd077"
BERT = "5b10ac8d82e05b22cc7d4ef5"
CARL = f"{ANNA}0"
"""Its beginning is another's id."""
NOW = now_ms()
HOUR = 3_600_000


def on_activity(topics: Topics) -> str:
    return topics.activity.name


def on_directory(topics: Topics) -> str:
    return topics.directory.name


def acts(account: str, number: int) -> list[Activity]:
    """Acts of every kind of key, by both sources."""
    who: dict[str, Any] = {"account_id": account, "issue_id": 5, "issue_key": "ACME-5", "project_key": "ACME"}
    return [
        fact(f"history:{number}", NOW - 30 * HOUR, **who),
        fact(f"history:{number}", NOW - 30 * HOUR, source="reconcile", **who),
        fact(f"comment:{number}:created", NOW - 50 * HOUR, source="reconcile", **who),
        fact(f"worklog:{number}:created", NOW - 800 * HOUR, **who),
        fact(f"issue:{number}:updated:{NOW - HOUR}:{account}", NOW - HOUR, **who),
    ]


def snapshot(*accounts: str) -> list[Directory]:
    base: dict[str, Any] = {"site": "acme", "snapshot_id": NOW - HOUR}
    rows: list[Directory] = [Project(project_key="ACME", type="software", **base)]
    for name in accounts:
        held: dict[str, Any] = {"product": "jira-software", "account_id": name, **base}
        rows += [
            User(
                account_id=name, display_name="N", email=f"{name[-4:]}@acme.example", account_type="atlassian", **base
            ),
            License(**held),
            Grant(group="users", **held),
            Looked(looked_at=NOW - 9 * HOUR, as_of=NOW - HOUR, **held),
            Role(account_id=name, role="member", scope="group", **base),
            Added(account_id=name, added_to_org=NOW - 900 * HOUR, **base),
        ]
    counts: dict[str, Any] = {"users": 3, "licenses": 3, "roles": 3, "seats": 1}
    last = SnapshotComplete(completed_at=NOW, reads_as=accounts[0], **counts, **base)
    return [*rows, Seats(product="jira-software", total=10, used=3, **base), last]


def letter(account: str, text: str = "") -> Any:
    payload = json.dumps({"webhookEvent": "x", "self": f"https://acme/user?accountId={quote(account, safe='')}{text}"})
    return dead_letter("acme", WEBHOOK, payload.encode(), "no_entity", "it lacks something", NOW)


def consume(shell: Shell) -> None:
    """Write what is on the log into the warehouse, as a reconcile without `up` does."""

    async def main() -> None:
        settings = load_settings(shell.config)
        async with opened_with_warehouse(settings, "a test") as runtime:
            await migrate(runtime.warehouse)
            await record_sites(runtime.warehouse, settings.sites)
            await record_seat_settings(runtime.warehouse, settings.sites, settings.seats)
            await drain(runtime)

    asyncio.run(main())


def fill(shell: Shell, *accounts: str) -> None:
    facts = [one for name in accounts for one in acts(name, (BERT, ANNA, CARL).index(name))]
    shell.append(on_activity, *map(encode, facts))
    shell.append(on_directory, *map(encode, snapshot(*accounts)))
    consume(shell)


def another(folder: Path) -> Shell:
    folder.mkdir()
    (folder / "rollcall.toml").write_text(
        f'log_url = "sqlite://{folder}/events.db"\nwarehouse_url = "chdb://{folder}/warehouse"\n'
        '[sites.acme]\nurl = "https://acme.atlassian.net"\nwebhook_secrets = ["0123456789abcdef"]\n'
        'timezone = "Europe/Berlin"\n'
    )
    return Shell(folder)


VIEWS = (
    "activity FINAL",
    "user_days",
    "active_users_daily",
    "user_usage_30d",
    "license_usage_30d",
    "idle_licenses",
    "webhook_coverage_daily",
    "seats",
    "seat_counts",
)


def shown(shell: Shell) -> dict[str, list[str]]:
    """What every view of the contract says."""

    async def main() -> dict[str, list[str]]:
        settings = load_settings(shell.config)
        async with opened_with_warehouse(settings, "a test") as runtime:
            return {view: sorted(map(str, await runtime.warehouse.query(f"SELECT * FROM {view}"))) for view in VIEWS}

    return asyncio.run(main())


def test_the_id_is_nowhere_and_others_are_as_without_them(shell: Shell, tmp_path: Path) -> None:
    fill(shell, BERT, ANNA, CARL)
    shell.append_letter(letter(ANNA))
    shell.append_letter(letter(BERT))
    shell.append(on_activity, b'{"account_id":"%s","broken' % ANNA.encode())
    consume(shell)
    (tmp_path / "reconcile").mkdir()
    (tmp_path / "reconcile" / "acme.json").write_text(json.dumps({"missing": [f"the groups of {ANNA}"]}))

    before = shell.run("forget", "--verify", ANNA)
    assert before.exit_code == 1
    for place in ("topic rollcall.activity", "topic rollcall.deadletter: 2", "column activity.account_id", "acme.json"):
        assert place in before.stdout

    done = shell.run("forget", "--yes", ANNA)
    assert done.exit_code == 0, done.output
    assert done.stdout.endswith("the id stands nowhere\n")
    assert shell.run("forget", "--verify", ANNA).stdout == "the id stands nowhere\n"
    assert [row["account_id"] for row in shell.rows("report", "users", "--all-accounts")] == [CARL, BERT]
    open_letters = shell.rows("deadletter", "list")
    assert [one["id"] for one in open_letters] == [letter(BERT).letter_id]

    other = another(tmp_path / "other")
    fill(other, BERT, CARL)
    assert shown(shell) == shown(other)


def test_nothing_brings_them_back(shell: Shell, tmp_path: Path) -> None:
    fill(shell, BERT, ANNA)
    assert shell.run("export", str(tmp_path / "out")).exit_code == 0
    assert shell.run("forget", "--yes", ANNA).exit_code == 0
    kept = shown(shell)
    shell.append(on_activity, *map(encode, acts(ANNA, 1)))
    shell.append(on_directory, *map(encode, snapshot(ANNA)[:-2]))
    consume(shell)
    assert shown(shell) == kept
    assert shell.run("rebuild").exit_code == 0
    assert shown(shell) == kept
    brought = shell.run("import", str(tmp_path / "out"))
    assert "of accounts that are to be forgotten were left out" in brought.stderr
    assert shown(shell) == kept
    assert shell.run("forget", "--yes", ANNA).stdout.endswith("the id stands nowhere\n")


def test_it_asks_before_and_knows_an_id(shell: Shell) -> None:
    assert shell.run("forget", ANNA).exit_code == 2
    assert shell.run("forget", "--yes", "Anna Example").exit_code == 2
    assert CliRunner().invoke(app, ["forget", "--yes"]).exit_code == 2
