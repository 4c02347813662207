"""``rollcall webhook``: the admin webhook at the Jira site."""

from contextlib import suppress
from ipaddress import ip_address
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer

from console.output import FormatOption, OutputFormat, print_rows
from console.process import DONE, FAILED, INCOMPLETE, Config, SiteOption, print_error, run_command, site_names
from reconcile.admin_webhooks import BY_HAND, AdminWebhook, list_webhooks, register_webhook, remove_webhook
from reconcile.client.jira_client import JiraClient, connected
from reconcile.client.jira_errors import JiraError, NotThereError
from rollcall.errors import RollcallError, SettingsError
from rollcall.settings import Settings, SiteSettings

app = typer.Typer(no_args_is_help=True, help="The admin webhook at the Jira site: list, register, remove.")

OneSite = Annotated[str | None, typer.Option(help="The site of the settings; not needed where there is only one.")]
_COLUMNS = ("site", "id", "name", "url", "enabled", "signed", "events", "jql")


@app.command("list")
def list_command(
    site: SiteOption = None,
    form: FormatOption = OutputFormat.TABLE,
    config: Config = None,
) -> None:
    """Show the webhooks registered at Jira. Jira never shows a secret, only that there is one."""

    async def body(settings: Settings) -> int:
        rows: list[dict[str, Any]] = []
        failed: list[RollcallError] = []
        names = site_names(settings, site)
        for name in names:
            try:
                async with connected(name, settings.sites[name], settings.reconcile) as jira:
                    rows += [_row(name, webhook) for webhook in await list_webhooks(jira)]
            except RollcallError as error:  # the other sites' are listed all the same
                failed.append(error)
        if len(failed) == len(names):
            raise failed[0]
        print_rows(rows, _COLUMNS, form)
        for failure in failed:
            print_error(str(failure))
        return INCOMPLETE if failed else DONE

    run_command(config, body)


@app.command()
def register(
    url: Annotated[
        str, typer.Option(help="Where Jira posts. [default: page.public_url followed by /webhooks/SITE]")
    ] = "",
    name: Annotated[str, typer.Option(help="What Jira's page shows.")] = "Rollcall",
    jql: Annotated[str, typer.Option(help="Only issues that match; links and users are never filtered.")] = "",
    site: OneSite = None,
    config: Config = None,
) -> None:
    """Register the webhook at Jira, with all events that Rollcall needs and the first secret of the settings."""

    async def body(settings: Settings) -> int:
        one = _one(settings, site)
        target = _target(settings, one, url)
        secret = _secret(one, settings.sites[one])
        async with connected(one, settings.sites[one], settings.reconcile) as jira:
            if there := await _registered(jira, target):
                print_error(
                    f"{one}: webhook {there.id or '?'} posts to {target} already{_idle(there)}; "
                    f"`rollcall webhook remove {there.id or 'ID'}` first"
                )
                return FAILED
            made = await register_webhook(jira, name, target, secret, jql)
            if made is None or made.is_signed is None:  # Jira may say it in the list only
                with suppress(JiraError):
                    made = await _registered(jira, target) or made
        if made is None:
            print_error(f"{one}: Jira took the webhook without a word of it; look whether it is there, else {BY_HAND}")
            return FAILED
        print(f"{one}: registered webhook {made.id or '?'} for {target}, {_signing(secret, made)}")
        return INCOMPLETE if secret and made.is_signed is False else DONE

    run_command(config, body)


@app.command()
def remove(
    webhook_id: Annotated[str, typer.Argument(metavar="ID", help="As `rollcall webhook list` shows it.")],
    site: OneSite = None,
    config: Config = None,
) -> None:
    """Remove a webhook at Jira."""

    async def body(settings: Settings) -> int:
        one = _one(settings, site)
        if not (webhook_id.isascii() and webhook_id.isdigit()):
            raise SettingsError(f"{webhook_id!r} is no webhook's id: those are numbers, see `rollcall webhook list`")
        async with connected(one, settings.sites[one], settings.reconcile) as jira:
            try:
                await remove_webhook(jira, webhook_id)
            except NotThereError:
                print_error(f"{one}: there is no webhook {webhook_id}")
                return FAILED
        print(f"{one}: removed webhook {webhook_id}")
        return DONE

    run_command(config, body)


def _one(settings: Settings, site: str | None) -> str:
    names = site_names(settings, site)
    if len(names) > 1:
        raise SettingsError(f"name one site with --site: {', '.join(names)}")
    return names[0]


def _target(settings: Settings, site: str, url: str) -> str:
    target = url or (f"{settings.page.public_url}/webhooks/{site}" if settings.page.public_url else "")
    if not target:
        raise SettingsError("say where Jira is to post: --url https://HOST/webhooks/" + site + ", or page.public_url")
    option = f"--url {target}" if url else f"page.public_url: {target}"
    try:
        parts = urlsplit(target)
        host = parts.hostname or ""
        _ = parts.port  # checked when it is read
    except ValueError:
        raise SettingsError(f"{option}: is no URL") from None
    if parts.scheme != "https" or not host:
        raise SettingsError(f"{option}: Jira posts to https only, with a publicly trusted certificate")
    if not _public(host):
        raise SettingsError(f"{option}: Jira Cloud cannot reach {host}; name the address that the internet knows")
    if parts.path.rstrip("/").rpartition("/webhooks/")[1:] != ("/webhooks/", site) or parts.query or parts.fragment:
        raise SettingsError(
            f"{option}: posts there would be refused, or be no posts of {site}; the URL has to end in /webhooks/{site} "
            f"(the settings have {', '.join(settings.sites)})"
        )
    return target


_INNER_DOMAINS = frozenset({"arpa", "internal", "invalid", "local", "localhost", "test"})
"""Last parts of names that the internet does not know (RFC 6761, 6762 and 8375; ICANN for internal)."""


def _public(host: str) -> bool:
    """Tell whether a host may be one that Jira Cloud reaches: no inner name, no loopback or private address."""
    try:
        return ip_address(host).is_global
    except ValueError:
        name, dot, last = host.rstrip(".").rpartition(".")
        # A last part of digits is an address in another form, such as 127.1.
        return bool(name and dot) and last not in _INNER_DOMAINS and not last.isdigit()


def _signing(secret: str, made: AdminWebhook) -> str:
    """Say whether the posts will be signed, in Jira's own word where it gives one."""
    if not secret:
        return "UNSIGNED: the settings have no secret for it"
    if made.is_signed is False:
        return (
            "UNSIGNED: Jira did not take the secret, and its posts will be answered 401. Enter the secret by hand in "
            "Jira, System > WebHooks"
        )
    if made.is_signed is None:
        return "with the secret, but Jira does not say whether it signs"
    return "signed"


def _secret(name: str, site: SiteSettings) -> str:
    secrets = site.secrets()
    if not secrets and not site.unsigned:
        raise SettingsError(f"sites.{name}: set webhook_secrets first; the webhook is registered with the first one")
    return secrets[0].decode() if secrets else ""


async def _registered(jira: JiraClient, target: str) -> AdminWebhook | None:
    """Return the webhook that posts there, rather one that is switched on."""
    there = [one for one in await list_webhooks(jira) if _place(one.url) == _place(target)]
    return next((one for one in there if one.enabled), there[0] if there else None)


def _place(url: str) -> tuple[str, ...]:
    """Return what makes two URLs of webhooks one, however they are written."""
    try:
        parts = urlsplit(url)
        return parts.scheme, parts.hostname or "", str(parts.port or 443), parts.path.rstrip("/"), parts.query
    except ValueError:  # somebody else's, with a template in it
        return (url,)


def _idle(webhook: AdminWebhook) -> str:
    """Say why nothing comes of a webhook, if nothing does."""
    if not webhook.enabled:
        return ", but is switched off (System > WebHooks)"
    return ", but without a body" if webhook.exclude_body else ""


def _row(site: str, webhook: AdminWebhook) -> dict[str, Any]:
    return {
        "site": site,
        "id": webhook.id,
        "name": webhook.name,
        "url": webhook.url,
        "enabled": webhook.enabled,
        "signed": webhook.is_signed,
        "events": sorted(webhook.events),
        "jql": webhook.jql,
    }
