"""What `rollcall check` says of a site, and the webhooks it registers there."""

from pathlib import Path

import pytest

from console.checks.finding import Finding
from console.checks.jira_site import identity_finding, jira_findings, webhook_findings
from reconcile.admin_webhooks import AdminWebhook, list_webhooks, register_webhook, remove_webhook
from reconcile.client.jira_errors import JiraRefusedError, NotThereError
from rollcall.jira.events import REGISTERED
from rollcall.settings import Settings
from simulator.rest.site import SCOPED_TOKEN

from .backfilling import jira as asking
from .commandline import command, write_config
from .installed import installed, seven_of_ten
from .scripted import Script, page, scripted
from .site import SECRET, JiraSite, config, jira_site, settings_for

pytestmark = pytest.mark.anyio

SMALL = config(people=6, acts_per_day=3.0, days=8, hard_cases=False)
ACME = {"url": "https://acme.atlassian.net", "webhook_secrets": [SECRET]}
HERE = "https://rollcall.example/webhooks/acme"


async def findings(settings: Settings) -> dict[str, Finding]:
    return {finding.subject.removeprefix("acme: "): finding async for finding in jira_findings(settings)}


def registered(jira: JiraSite, **changed: object) -> None:
    wanted = {"name": "Rollcall", "url": HERE, "events": list(REGISTERED), "secret": SECRET}
    jira.site.registry.add(**{**wanted, **changed})  # type: ignore[arg-type]  # values of many types


async def test_all_is_well(tmp_path: Path) -> None:
    async with jira_site(SMALL) as jira:
        registered(jira)
        settings = settings_for(jira.url, tmp_path)
        async with installed(settings) as rollcall:
            await rollcall.webhooks(jira.site, seven_of_ten)
        found = await findings(settings)
    # The simulated site stands at a fixed moment, far from this machine's clock.
    assert {subject for subject, finding in found.items() if not finding.ok} == {"clock"}
    assert "cannot be asked" in found["API token"].found
    assert "Administer Jira, Browse users and groups, Browse projects" in found["permissions"].found
    assert "the account sees 3" in found["projects"].found
    assert "all events, signed" in found["webhook 1"].found
    assert "holds: REST knows all" in found["identity of changes"].found
    assert all(finding.remedy for finding in found.values() if not finding.ok)


async def test_nothing_is_set_up_yet(tmp_path: Path) -> None:
    async with jira_site(SMALL, permissions=["BROWSE_PROJECTS"]) as jira:
        found = await findings(settings_for(jira.url, tmp_path))
        assert not found["permissions"].ok
        assert "no evidence yet" in found["identity of changes"].found
        assert not found["webhook"].ok
        assert "cannot be looked at" in found["webhook"].found
        jira.faults()
        found = await findings(settings_for(jira.url, tmp_path))
        assert "`rollcall webhook register --site acme`" in found["webhook"].remedy


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"enabled": False}, "is switched off"),
        ({"events": ["comment_created"]}, "lacks the events jira:issue_created"),
        ({"excludeBody": True}, "sends no body"),
        ({"isSigned": False}, "is not signed"),
        ({"url": "https://other.example/hook"}, "none of the 1 registered ones"),
        ({"url": "https://[${host}]/webhooks/acme"}, "none of the 1 registered ones"),
        ({"url": None, "name": 5, "filters": []}, "none of the 1 registered ones"),
        ({"isSigned": False, "filters": {"issue-related-events-section": {}}, "enabled": "yes"}, "is not signed"),
    ],
)
async def test_a_webhook_that_is_not_right(changed: dict[str, object], says: str) -> None:
    right = {"self": "https://x/rest/webhooks/1.0/webhook/7", "url": HERE, "events": list(REGISTERED), "isSigned": True}
    settings = Settings.model_validate({"sites": {"acme": ACME}})
    async with scripted(Script([page([{**right, **changed}])])) as client:
        (finding,) = [finding async for finding in webhook_findings(settings, "acme", client)]
    assert not finding.ok
    assert says in finding.found
    assert finding.remedy


async def test_ids_that_differ_are_told(tmp_path: Path) -> None:
    async with jira_site(SMALL) as jira:
        settings = settings_for(jira.url, tmp_path)
        async with installed(settings) as rollcall:
            await rollcall.webhooks(jira.site, lambda _: True)
            await rollcall.query("SELECT 1")
            warehouse = rollcall.found.reader
            assert warehouse
            sql = "INSERT INTO activity (site, event_key, issue_id, family, action, occurred_at, source, received_at) "
            issue = min(jira.site.index.rows)
            values = f"SELECT 'acme', 'history:99', {issue}, 'history', 'updated', now64(3), 'webhook', now64(3)"
            await warehouse.command(sql + values)
            sources = "INSERT INTO activity_sources (site, event_key, webhook_received_at) "
            await warehouse.command(sources + "SELECT 'acme', 'history:99', now64(3) + toIntervalDay(3000)")
        found = await findings(settings)
        assert not found["identity of changes"].ok
        assert "counted twice" in found["identity of changes"].remedy


async def test_an_odd_id_in_jiras_answer_is_no_end_of_the_check(monkeypatch: pytest.MonkeyPatch) -> None:
    async def recent(*_: object) -> dict[int, list[int]]:
        return {7: [900]}

    monkeypatch.setattr("console.checks.jira_site._recent", recent)
    settings = Settings.model_validate({"sites": {"acme": ACME}})
    async with scripted(Script([page({"histories": [{"id": "x"}, {"id": "900"}]})])) as client:
        finding = await identity_finding(settings, "acme", client)
    assert (finding.ok, "all 1" in finding.found) == (True, True)


async def test_a_scoped_token_works_through_the_gateway(tmp_path: Path) -> None:
    async with jira_site(SMALL) as jira:
        settings = settings_for(jira.url, tmp_path, reconcile={"gateway_url": jira.url})
        acme = settings.sites["acme"]
        scoped = acme.model_validate({**acme.model_dump(), "scoped_token": True, "api_token": SCOPED_TOKEN})
        found = await findings(settings.model_copy(update={"sites": {"acme": scoped}}))
        assert found["API token"].ok
        plain = acme.model_validate({**acme.model_dump(), "api_token": SCOPED_TOKEN})
        found = await findings(settings.model_copy(update={"sites": {"acme": plain}}))
        assert "set scoped_token = true" in found["Jira"].found


async def test_register_list_and_remove(tmp_path: Path) -> None:
    async with jira_site(SMALL) as jira:
        settings = settings_for(jira.url, tmp_path)
        async with asking(settings) as client:
            made = await register_webhook(client, "Rollcall", HERE, SECRET, "project = X")
            assert made
            (listed,) = await list_webhooks(client)
            assert (listed.id, listed.url, listed.is_signed) == (made.id, HERE, True)
            assert jira.site.registry.webhooks[1].secret == SECRET
            assert set(listed.events) == set(REGISTERED)
            await remove_webhook(client, made.id)
            assert await list_webhooks(client) == []
            with pytest.raises(NotThereError):
                await remove_webhook(client, made.id)
            jira.faults(permissions=[])
            with pytest.raises(JiraRefusedError, match="by hand: in Jira, System > WebHooks"):
                await list_webhooks(client)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://127.0.0.1:8080/webhooks/acme", "https only"),
        ("https://127.0.0.1/webhooks/acme", "cannot reach 127.0.0.1"),
        ("https://[::1]/webhooks/acme", "cannot reach ::1"),
        ("https://10.1.2.3/webhooks/acme", "cannot reach 10.1.2.3"),
        ("https://localhost/webhooks/acme", "cannot reach localhost"),
        ("https://localhost./webhooks/acme", "cannot reach localhost."),
        ("https://proxy/webhooks/acme", "cannot reach proxy"),
        ("https://Rollcall.internal/webhooks/acme", "cannot reach rollcall.internal"),
        ("https://rollcall.local:8443/webhooks/acme", "cannot reach rollcall.local"),
        ("https://127.1/webhooks/acme", "cannot reach 127.1"),
        ("https://2130706433/webhooks/acme", "cannot reach 2130706433"),
        ("https:///webhooks/acme", "https only"),
        ("https://[x/webhooks/acme", "is no URL"),
        ("https://rollcall.example:99999/webhooks/acme", "is no URL"),
        ("https://rollcall.example:port/webhooks/acme", "is no URL"),
        ("https://rollcall.example/webhooks/other", "has to end in /webhooks/acme"),
        ("https://rollcall.example/webhooks/acme?x=1", "has to end in /webhooks/acme"),
        ("https://rollcall.example/acme", "has to end in /webhooks/acme"),
        ("https://rollcall.example/", "the settings have acme"),
    ],
)
async def test_an_address_that_jira_cannot_post_to_is_not_registered(tmp_path: Path, url: str, says: str) -> None:
    path = write_config("https://acme.atlassian.net", tmp_path)
    refused = await command(path, "webhook", "register", "--url", url)
    assert (refused.code, says in refused.err) == (2, True), refused.err


@pytest.mark.parametrize(
    ("answered", "listed", "code", "says"),
    [
        (True, None, 0, "/webhooks/acme, signed\n"),
        (None, True, 0, "/webhooks/acme, signed\n"),
        (None, None, 0, "Jira does not say whether it signs"),
        (False, None, 3, "UNSIGNED: Jira did not take the secret"),
    ],
)
async def test_signed_is_said_in_jiras_own_word(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, answered: bool | None, listed: bool | None, code: int, says: str
) -> None:
    made: list[AdminWebhook] = []

    async def register(*_: object) -> AdminWebhook:
        made.append(AdminWebhook("7", url=HERE, is_signed=listed))
        return AdminWebhook("7", url=HERE, is_signed=answered)

    async def there(*_: object) -> list[AdminWebhook]:
        return made

    monkeypatch.setattr("console.commands.webhook.register_webhook", register)
    monkeypatch.setattr("console.commands.webhook.list_webhooks", there)
    done = await command(write_config("https://acme.atlassian.net", tmp_path), "webhook", "register", "--url", HERE)
    assert (done.code, says in done.out) == (code, True), done.out + done.err


async def test_the_webhook_command_never_prints_a_secret(tmp_path: Path) -> None:
    async with jira_site(config(people=5, acts_per_day=0.5, days=2, hard_cases=False)) as jira:
        path = write_config(jira.url, tmp_path)
        made = await command(path, "webhook", "register", "--url", HERE)
        assert (made.code, "registered webhook 1" in made.out) == (0, True), made.err
        listed = await command(path, "webhook", "list", "--format", "json")
        assert [(row["id"], row["url"], row["signed"]) for row in listed.rows] == [("1", HERE, True)]
        again = await command(path, "webhook", "register", "--url", HERE)
        plain = await command(path, "webhook", "register", "--url", "http://rollcall.example/webhooks/acme")
        assert (again.code, "already" in again.err, plain.code) == (1, True, 2)
        assert (await command(path, "webhook", "remove", "1")).code == 0
        assert jira.site.registry.webhooks == {}
        for done in (made, again, listed, plain):
            assert SECRET not in done.out + done.err
