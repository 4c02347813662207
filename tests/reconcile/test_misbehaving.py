"""Answers that no decoder reads: a failed try or an unreadable answer for the client, never a traceback for people."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from reconcile.client.endpoints import MYSELF, REGISTER_WEBHOOK
from reconcile.client.jira_client import JiraClient, connected
from reconcile.client.jira_errors import JiraRefusedError, JiraUnavailableError
from reconcile.client.paging import decoded_elements, next_since
from reconcile.client.retry import retry_after
from reconcile.responses import PERSON, Myself
from rollcall.errors import SettingsError
from rollcall.settings import ReconcileSettings, SiteSettings

from ..ports import free_port
from .commandline import command, process, write_config
from .misbehaving import BROKEN_GZIP, DEEP, DEEP_LIST, DEEP_REFUSAL, GOOD, NOT_GZIP, Server, misbehaving
from .scripted import ACME
from .site import hurried

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def asking(*answers: bytes) -> AsyncIterator[tuple[JiraClient, Server]]:
    async with misbehaving(*answers) as server:
        site = ACME.model_copy(update={"url": server.url})
        async with connected("acme", site, ReconcileSettings(), hurried(attempts=3)) as jira:
            yield jira, server


@pytest.mark.parametrize("bad", [NOT_GZIP, BROKEN_GZIP], ids=["no gzip", "broken gzip"])
async def test_what_cannot_be_unpacked_is_asked_for_again(bad: bytes) -> None:
    async with asking(bad, bad, GOOD) as (jira, server):
        assert (await jira.read(Myself, MYSELF)).time_zone == "UTC"
        assert (len(server.asked), jira.stats.waits["connection"]) == (3, 2)


async def test_what_can_never_be_unpacked_is_given_up() -> None:
    async with asking(NOT_GZIP) as (jira, server):
        with pytest.raises(JiraUnavailableError, match=r"DecodingError\), 3 times over"):
            await jira.ask(MYSELF)
        assert len(server.asked) == 3


async def test_what_must_not_be_done_twice_is_not_sent_again() -> None:
    async with asking(NOT_GZIP, GOOD) as (jira, server):
        with pytest.raises(JiraUnavailableError, match="may or may not have been done"):
            await jira.ask(REGISTER_WEBHOOK, body={})
        assert len(server.asked) == 1


async def test_nested_too_deep_is_an_unreadable_answer() -> None:
    async with asking(DEEP) as (jira, _):
        with pytest.raises(JiraRefusedError, match="nested deeper"):
            await jira.read(Myself, MYSELF)
    async with asking(DEEP_REFUSAL) as (jira, _):
        with pytest.raises(JiraRefusedError, match="Jira answers 403; "):
            await jira.ask(MYSELF)


def test_an_element_nested_too_deep_costs_only_itself() -> None:
    unreadable: list[int] = []
    good, deep = b'{"accountId": "anna"}', b'{"x": ' + b"[" * 3000 + b"]" * 3000 + b"}"
    elements = [msgspec.Raw(deep), msgspec.Raw(good)]
    assert [one.known_id for one in decoded_elements(PERSON, elements, lambda: unreadable.append(1))] == ["anna"]
    assert len(unreadable) == 1


def test_figures_that_are_none() -> None:
    assert retry_after(429, {"retry-after": "²"}).seconds == 0
    assert next_since("https://acme.example/?since=" + "9" * 5000) is None
    assert next_since("https://acme.example/?since=1795000000000") == 1_795_000_000_000


COMMANDS = [("check",), ("reconcile",), ("reconcile", "--dry-run"), ("webhook", "list")]


def impatient(url: str, folder: Path) -> Path:
    path = write_config(url, folder, listen=free_port(), sql_listen=free_port())
    hasty = "[reconcile]\nattempts = 2\nbackoff_first = 0.01\nbackoff_max = 0.01\n"
    path.write_text(path.read_text().replace("[reconcile]", hasty))
    return path


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("bad", [NOT_GZIP, DEEP], ids=["no gzip", "deep"])
async def test_the_commands_say_it_in_a_sentence(tmp_path: Path, bad: bytes, words: tuple[str, ...]) -> None:
    async with misbehaving(DEEP_LIST if bad is DEEP and words[0] == "webhook" else bad) as server:
        done = await process(impatient(server.url, tmp_path), *words)
    said = " ".join((done.out + done.err).split())
    assert done.code == 1
    assert "Traceback" not in said
    assert ("DecodingError" if bad is NOT_GZIP else "nested") in said


@pytest.mark.parametrize("words", [("up",), *COMMANDS], ids=" ".join)
@pytest.mark.parametrize(
    ("made", "told"),
    [(None, "cannot read {} (No such file or directory)"), ("", "{} is empty"), (Path(), "cannot read {} (Is a dir")],
    ids=["none", "empty", "folder"],
)
async def test_an_unreadable_token_is_wrong_settings(
    tmp_path: Path, made: str | Path | None, told: str, words: tuple[str, ...]
) -> None:
    token = tmp_path / "jira_token"
    if isinstance(made, Path):
        token.mkdir()
    elif made is not None:
        token.write_text(made)
    path = impatient("http://127.0.0.1:1", tmp_path)
    lines = path.read_text().splitlines()
    path.write_text("\n".join(f'api_token_file = "{token}"' if "api_token" in line else line for line in lines))
    done = await (process if words == ("up",) else command)(path, *words)  # `up` handles signals
    assert (done.code, done.out) == (2, "")
    assert f"rollcall: sites.acme.api_token_file: {told.format(token)}" in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(("variable", "value"), [("HTTPS_PROXY", "nothing://x:hush@y"), ("SSL_CERT_FILE", "/nowhere")])
async def test_an_environment_that_no_client_can_be_made_of(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=r"acme\.atlassian\.net cannot be asked .* HTTPS_PROXY") as caught:
        async with connected("acme", ACME, ReconcileSettings()):
            raise AssertionError("not reached")
    assert "hush" not in str(caught.value)


async def test_a_site_without_tls_is_asked_without_the_systems_certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading them takes longer than some requests."""

    def read_them(*_: object, **__: object) -> None:
        raise AssertionError("not needed")

    monkeypatch.setattr("certifi.where", read_them)
    async with asking(GOOD) as (jira, _):
        assert (await jira.read(Myself, MYSELF)).time_zone == "UTC"


@pytest.mark.parametrize("url", ["https://a..example", f"https://{'a' * 64}.example", "https://☃.example"])
def test_a_host_that_cannot_be_looked_up_is_no_url(url: str) -> None:
    with pytest.raises(ValueError, match="no name that can be looked up"):
        SiteSettings(url=url, unsigned=True)
