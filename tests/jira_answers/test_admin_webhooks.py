"""`rollcall webhook` at a site with odd answers about its admin webhooks: no page of Atlassian's says how they are."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from reconcile.admin_webhooks import AdminWebhook, read_webhook

from ..reconcile.commandline import command, write_config
from ..reconcile.site import SECRET, config
from .altered import altered

pytestmark = pytest.mark.anyio

SMALL = config(people=5, acts_per_day=0.5, days=2, hard_cases=False)
HERE = "https://rollcall.example/webhooks/acme"
BEAN: dict[str, Any] = {
    "self": "https://x/rest/webhooks/1.0/webhook/7",
    "name": "Rollcall",
    "url": HERE,
    "isSigned": True,
}
REGISTER = ("webhook", "register", "--url", HERE)


@pytest.mark.parametrize(
    ("odd", "read"),
    [
        ({}, AdminWebhook("7", "Rollcall", HERE, is_signed=True)),
        ({"self": None}, AdminWebhook("", "Rollcall", HERE, is_signed=True)),
        ({"self": BEAN["self"] + "/"}, AdminWebhook("7", "Rollcall", HERE, is_signed=True)),
        ({"name": None, "url": 5}, AdminWebhook("7", "", "", is_signed=True)),
        ({"events": None, "enabled": None}, AdminWebhook("7", "Rollcall", HERE, is_signed=True)),
        ({"events": ["a"], "enabled": False}, AdminWebhook("7", "Rollcall", HERE, ["a"], "", False, False, True)),
        (
            {"filters": {"issue-related-events-section": "x"}},
            AdminWebhook("7", "Rollcall", HERE, [], "x", is_signed=True),
        ),
        (
            {"filters": {"issue-related-events-section": {}, "b": 1}},
            AdminWebhook("7", "Rollcall", HERE, is_signed=True),
        ),
        ({"filters": "all", "excludeBody": "no"}, AdminWebhook("7", "Rollcall", HERE, is_signed=True)),
        ({"excludeBody": True, "isSigned": "yes"}, AdminWebhook("7", "Rollcall", HERE, exclude_body=True)),
        ({"unknown": {"deep": [1]}}, AdminWebhook("7", "Rollcall", HERE, is_signed=True)),
    ],
    ids=str,
)
def test_an_odd_part_costs_only_itself(odd: dict[str, Any], read: AdminWebhook) -> None:
    assert read_webhook(httpx.Response(200, json={**BEAN, **odd}).content) == read


@pytest.mark.parametrize("answer", [b"", b"null", b"[]", b'"made"', b"<html>", b"{" * 3000, b"[" * 3000])
def test_what_is_no_object_is_no_webhook(answer: bytes) -> None:
    assert read_webhook(answer) is None


MADE = {
    "nothing": httpx.Response(201),
    "no content": httpx.Response(204),
    "null": httpx.Response(201, json=None),
    "a list": httpx.Response(201, json=[BEAN]),
    "a page": httpx.Response(200, content=b"<html>Log in</html>"),
    "another form": httpx.Response(201, json={"name": None, "self": 7}),
}


@pytest.mark.parametrize("told", MADE.values(), ids=MADE)
async def test_what_was_registered_is_told_from_the_list(tmp_path: Path, told: httpx.Response) -> None:
    def alter(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
        return told if request.method == "POST" else answer

    async with altered(SMALL, alter) as jira:
        done = await command(write_config(jira.url, tmp_path), *REGISTER)
        (made,) = jira.site.registry.webhooks.values()
    assert (done.code, f"registered webhook 1 for {HERE}, signed" in done.out) == (0, True), done.err
    assert made.url == HERE


@pytest.mark.parametrize("listed", [httpx.Response(200, json=[]), httpx.Response(403)])
async def test_what_may_not_have_been_registered_is_told(tmp_path: Path, listed: httpx.Response) -> None:
    """A proxy that asks to log in answers 200 to all."""
    posted = False

    def alter(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
        nonlocal posted
        if request.method == "POST":
            posted = True
            return httpx.Response(200, content=b"<html>Log in</html>")
        return listed if posted else httpx.Response(200, json=[])

    async with altered(SMALL, alter) as jira:
        done = await command(write_config(jira.url, tmp_path), *REGISTER)
    assert (done.code, done.out) == (1, "")
    assert "look whether it is there, else by hand: in Jira, System > WebHooks" in done.err


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"url": HERE + "/"}, "webhook 7 posts to"),
        ({"url": "HTTPS://Rollcall.Example:443/webhooks/acme"}, "`rollcall webhook remove 7` first"),
        ({"enabled": False}, "already, but is switched off (System > WebHooks)"),
        ({"excludeBody": True}, "already, but without a body"),
        ({"self": None}, "`rollcall webhook remove ID` first"),
    ],
    ids=str,
)
async def test_one_that_is_there_is_told_with_what_is_wrong_with_it(
    tmp_path: Path, changed: dict[str, Any], says: str
) -> None:
    strangers = [None, 5, {"url": None}, {"url": "https://[${x}]/"}, {"url": "https://x/webhooks/acme"}]

    def alter(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
        assert request.method == "GET", "nothing is registered"
        return httpx.Response(200, json=[*strangers, {**BEAN, **changed}])

    async with altered(SMALL, alter) as jira:
        path = write_config(jira.url, tmp_path)
        done = await command(path, *REGISTER)
        listed = await command(path, "webhook", "list", "--format", "json")
    assert (done.code, says in done.err) == (1, True), done.err
    assert listed.code == 0
    assert SECRET not in done.err + listed.out


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (400, "Jira answers 400"),
        (403, "lacks a permission"),
        (404, "Or by hand: in Jira, System > WebHooks"),
        (409, "Jira answers 409"),
        (500, "Jira answers 500"),
    ],
)
async def test_a_refused_registration_names_the_way_by_hand(tmp_path: Path, status: int, says: str) -> None:
    def alter(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
        return httpx.Response(status, json={"messages": [{"key": "no"}]}) if request.method == "POST" else answer

    async with altered(SMALL, alter) as jira:
        done = await command(write_config(jira.url, tmp_path), *REGISTER)
    assert (done.code, says in done.err, "by hand: in Jira" in done.err) == (1, True, True), done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(("status", "code"), [(200, 0), (202, 0), (204, 0), (404, 1), (403, 1), (500, 1)])
async def test_removing(tmp_path: Path, status: int, code: int) -> None:
    def alter(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
        return httpx.Response(status, content=b"<html>")

    async with altered(SMALL, alter) as jira:
        done = await command(write_config(jira.url, tmp_path), "webhook", "remove", "7")
    assert done.code == code, done.err
    assert done.out == ("acme: removed webhook 7\n" if code == 0 else "")


async def test_a_site_that_fails_costs_the_list_of_no_other(tmp_path: Path) -> None:
    def alter(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
        return httpx.Response(200, json=[BEAN])

    async with altered(SMALL, alter) as jira:
        path = write_config(jira.url, tmp_path)
        tokenless = f'[sites.beta]\nurl = "https://beta.atlassian.net"\nwebhook_secrets = ["{SECRET}"]\n'
        path.write_text(path.read_text() + tokenless)
        both = await command(path, "webhook", "list", "--format", "json")
        alone = await command(path, "webhook", "list", "--site", "beta")
    assert (both.code, [row["id"] for row in json.loads(both.out)]) == (3, ["7"])
    assert "sites.beta: to ask Jira's REST API, set email and api_token_file" in both.err
    assert (alone.code, alone.out) == (2, "")
