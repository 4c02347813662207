"""What the page says before there is anything to show, and when something is wrong."""

import asyncio
import html
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from console.received import Received, Refused
from reconcile.progress import Notice
from rollcall.clock import now_ms
from rollcall.errors import LogUnavailableError, RollcallError, WarehouseUnavailableError
from rollcall.eventlog import EventLog
from rollcall.settings import Settings
from rollcall.warehouse import Warehouse

from ..endtoend.installation import signature
from ..facts import Refreshing, entries, fact
from . import company
from .serving import SECRET, Served, served, settings_of


@pytest.fixture(autouse=True)
def _keep_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("COUNTS_SECONDS", "PEOPLE_SECONDS", "STATE_SECONDS"):
        monkeypatch.setattr(f"console.web.queries.{name}", 0.0)


def words(page: Served, path: str = "/?site=cumulus", status: int = 200) -> str:
    answer = httpx.get(page.url + path, timeout=60)
    assert answer.status_code == status
    text = re.sub(r"<[^>]+>", "", answer.text[max(answer.text.find("<main"), 0) :])
    return html.unescape(re.sub(r"\s+", " ", text))


def post(page: Served, body: bytes, name: str = "cumulus") -> None:
    headers = signature(body, SECRET)
    assert httpx.post(f"{page.url}/webhooks/{name}", content=body, headers=headers).status_code == 204


def write(page: Served, **changes: Any) -> None:
    one = fact("comment:1", now_ms() - 1000, site="cumulus", **changes)
    page.ask(Refreshing(page.warehouse, sites=page.settings.sites).write(entries([one])))


def test_from_no_webhook_to_counting(tmp_path: Path) -> None:
    with served(settings_of(tmp_path, company.SITES)) as page:
        begin = words(page)
        assert "No webhook has come from Jira yet" in begin
        assert f"http://127.0.0.1:{page.port}/webhooks/cumulus" in begin
        assert "set its address as public_url" in begin
        for step in ("[sites.cumulus]", "openssl rand -hex 32", "Worklog: created, updated, deleted", "JQL"):
            assert step in begin
        assert SECRET not in begin
        assert "Nobody is known yet" in begin
        assert "Last webhook none yet" in begin.replace("webhooknone", "webhook none")

        post(page, b'{"webhookEvent": "board_created", "timestamp": 1795000000000}')
        arrived = words(page)
        assert "Webhooks arrive, but none has been counted yet" in arrived
        assert "just now" in arrived
        assert "could not be understood" not in arrived

        post(page, b"this is no JSON")
        assert "1 could not be understood" in words(page)
        assert "1 open: rollcall deadletter list shows why" in words(page)
        assert "No webhook has come" in words(page, "/?site=acme")

        write(page)
        counting = words(page)
        assert "none has been counted" not in counting
        assert "Active people per day" in counting


def refuse(page: Served, path: str, **headers: str) -> None:
    answer = httpx.post(page.url + path, content=b"{}", headers={k.replace("_", "-"): v for k, v in headers.items()})
    assert answer.status_code in (401, 404)


def test_what_was_refused_is_told_with_its_reason_and_remedy(tmp_path: Path) -> None:
    with served(settings_of(tmp_path, company.SITES)) as page:
        assert "refused" not in words(page)
        refuse(page, "/webhooks/cumulus", x_hub_signature="sha256=" + "0" * 64)
        begin = words(page)
        assert "No webhook has come from Jira yet" not in begin
        assert "No webhook has been accepted yet" in begin
        assert (
            "1 post to cumulus, the last one just now: they are signed with another secret (wrong_signature)" in begin
        )
        assert "the secret at the webhook in Jira differs from webhook_secrets" in begin
        assert "Jira does not send these again" in begin
        assert "wrong_signature" in words(page, "/live?site=cumulus")
        assert "refused" not in words(page, "/?site=acme"), "another site's"

        refuse(page, "/webhooks/cumulus")
        refuse(page, "/cumulus")
        told = words(page)
        assert "Automation ('Send web request') and post functions" in told
        assert "to no site of the settings" in told
        assert "the proxy cuts or changes the path" in told
        assert "unknown_path" in words(page, "/?site=acme"), "it may have been meant for any site"
        write(page)
        assert "wrong_signature" in words(page), "also where people are counted"


def test_a_page_of_its_own_asks_ingest_what_was_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str]] = []

    async def ask(address: str, token: str) -> Received:
        asked.append((address, token))
        return Received(refused=[Refused("cumulus", "no_signature", 7, datetime.now(UTC))])

    monkeypatch.setattr("console.web.queries.ask_received", ask)
    settings = settings_of(tmp_path, company.SITES, metrics_token="what-prometheus-brings")
    with served(settings, listen="127.0.0.1:8082") as page:
        assert "7 posts to cumulus" in words(page)
    assert set(asked) == {(settings.listen, "what-prometheus-brings")}


def test_what_rest_knows_does_not_hide_that_no_webhook_came(tmp_path: Path) -> None:
    with served(settings_of(tmp_path, company.SITES)) as page:
        write(page, source="reconcile", account_id="only-by-rest")
        text = words(page)
        assert "No webhook has come from Jira yet" in text
        assert "read over Jira's REST API" in text
        assert "only-by-rest" in text


def test_the_public_address_is_the_one_to_paste(tmp_path: Path) -> None:
    sites = {"lax": {"url": "https://lax.atlassian.net", "unsigned": True}}
    settings = settings_of(tmp_path, sites, page={"unprotected": True, "public_url": "https://rollcall.example"})
    with served(settings) as page:
        text = words(page, "/")
        assert "https://rollcall.example/webhooks/lax" in text
        assert "set its address" not in text
        assert "This site takes webhooks that nobody signed" in text


def test_trouble_is_told_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trouble: list[RollcallError] = []

    async def consumers() -> None:
        if trouble:
            raise trouble[0]

    notices = [Notice("Reading the last 30 days <from> Jira", 0.25)]
    with served(settings_of(tmp_path, company.SITES), consumers=consumers, notices=lambda: notices) as page:
        write(page)
        well = words(page)
        assert "Consumers running" in well.replace("Consumersrunning", "Consumers running")
        assert "Reading the last 30 days <from> Jira" in well
        trouble.append(RollcallError("rollcall.activity stopped: too much poison at clickhouse://me:secret@host"))
        told = words(page)
        assert "too much poison at clickhouse://…@host" in told
        assert "secret@" not in told

        def away(self: Warehouse, *_: Any) -> Any:
            raise WarehouseUnavailableError("the engine is <away>")

        async def slow(*_: Any) -> Any:
            raise WarehouseUnavailableError("too much at once")

        async def full(self: EventLog, *_: Any) -> Any:
            raise LogUnavailableError("the disk is full")

        with monkeypatch.context() as patch:
            patch.setattr("console.web.queries.read_people", slow)
            half = words(page, status=503)
            assert "Active people per day" in half
            assert "cannot be listed just now: too much at once" in half
        monkeypatch.setattr(Warehouse, "query", away)
        without = words(page, status=503)
        assert "There are no numbers to show just now: the engine is <away>" in without
        assert "The people cannot be listed just now" in without
        monkeypatch.setattr(type(page.event_log), "state", full)
        assert "the disk is full" in words(page, status=503)
        assert "the disk is full" in words(page, "/live?site=cumulus"), "the script's part is told trouble, with 200"


def test_it_recovers_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with served(settings_of(tmp_path, company.SITES)) as page:
        write(page)
        with monkeypatch.context() as patch:
            patch.setattr("console.web.queries._QUERY_TIMEOUT", 0.05)
            patch.setattr(Warehouse, "query", lambda *_: asyncio.sleep(60))
            assert "no answer within 0.05 s" in words(page, status=503)
        assert "Active people per day" in words(page)


def test_a_warehouse_that_is_not_prepared_says_so(tmp_path: Path) -> None:
    async def forget(settings: Settings, warehouse: Warehouse, _: EventLog) -> None:
        await warehouse.command("TRUNCATE TABLE sites")

    prepared: list[bool] = []
    with served(settings_of(tmp_path, company.SITES), forget, prepared=lambda: bool(prepared)) as page:
        assert "the warehouse is being prepared" in words(page, status=503)
        prepared.append(True)
        assert "does not know this site yet" in words(page, status=503)


def test_a_page_of_its_own_names_where_ingest_takes_webhooks(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, company.SITES)
    with served(settings, listen="127.0.0.1:8082") as page:
        shown = words(page)
    assert f"http://{settings.listen}/webhooks/cumulus" in shown
    assert f":{page.port}/webhooks" not in shown
