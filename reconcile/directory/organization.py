"""When people looked at a product last: the organization's search, a hundred people a request.

Jira's REST API has no such date. The organization's has one for each product of each site, up to a day late. An entry
is known by its ARI, which names the type and the site's cloud id; its `key` misleads, and by it somebody active on
another site of the organization would seem to look at this one (production).

Whom the answers name without an entry never looked. Whom they do not name, because a page failed or for whatever
reason, is not known: nothing is said of them.
"""

import re
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field

import msgspec

from reconcile.client.endpoints import ORGANIZATION_USERS
from reconcile.client.jira_client import JiraClient
from reconcile.client.jira_errors import JiraError, JiraRefusedError, JiraUnavailableError
from reconcile.client.paging import SeenTokens, decoded_elements
from reconcile.responses import ORGANIZATION_USER, OrganizationPage, OrganizationUser
from rollcall.clock import now_ms
from rollcall.errors import RollcallError, SettingsError
from rollcall.jira.values import account_id, is_given, parse_jira_time
from rollcall.records import Added, Looked
from rollcall.settings import OrganizationSettings, ReconcileSettings

_PAGE = 100
_SMALLER = (100, 25, 5, 1)
"""People in a request; where one fails the next smaller is tried from the same cursor."""
_ATTEMPTS = 3
"""Tries of one request, for what a smaller one may cure."""

_ARI = re.compile(r"ari:cloud:([a-z0-9-]+)::site/([0-9A-Za-z-]+)", re.ASCII)
_ENTRIES = {
    "jira-software": ("jira-software",),
    "jira-servicedesk": ("jira-servicedesk",),
    "jira-product-discovery": ("jira-product-discovery",),
    "jira-core": ("jira-core", "jira-software"),
}
"""The types whose entries count for a product: business projects are shown by both."""

_NO_MOMENTS = ("", "0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z")
"""What programs write for a moment that there is not."""

_REFUSED = (401, 403, 404)
"""The key is none, or not of this organization."""

_WHAT = "who looked at what"


@dataclass(slots=True)
class _Found:
    """What the answers say of one account."""

    as_of: int
    added: int | None = None
    looked: dict[str, int] = field(default_factory=dict)
    unreadable: set[str] = field(default_factory=set)
    has_entries: bool = False


class Organization:
    """Searches an organization for who looked at the products of one site.

    Args:
        settings: Which organization, and its key.
        jira: The site's client, which opens one for the organization.
        holders: Who holds each product; one that is not among them could not be read, and everybody may hold it.

    Attributes:
        failed: Why the answers are not all there are; None when they are.
    """

    def __init__(self, settings: OrganizationSettings, jira: JiraClient, holders: Mapping[str, Set[str]]) -> None:
        self.failed: RollcallError | None = None
        self._settings = settings
        self._jira = jira
        self._holders = holders
        self._cloud_id = ""
        self._unreadable = 0
        self._found: dict[str, _Found] = {}

    async def search(self, settings: ReconcileSettings) -> None:
        """Read all that there is; what cannot be read is told by `failed`.

        Args:
            settings: How to ask.
        """
        try:
            key = self._settings.secret()
            self._cloud_id = (await self._jira.cloud_id()).lower()
            async with self._jira.organization(self._settings.url, key, settings) as client:
                await self._pages(client)
        except ValueError as error:  # of the key's file
            self.failed = SettingsError(f"the key cannot be used: organization.{error}")
        except (JiraError, SettingsError) as error:
            self.failed = error
        if self._found and not any(one.has_entries for one in self._found.values()):
            # Asked for and not given to anybody: that is no word on whether they looked.
            self._found.clear()
            self.failed = self.failed or JiraRefusedError(f"{ORGANIZATION_USERS.name}: nobody has productAccess")

    def missing(self) -> list[str]:
        """Return what the run is to be told to lack, in words."""
        told = []
        if self.failed:
            unknown, held = self._unknown()
            told.append(f"{_WHAT}: {self.failed}; not known of {unknown} of {held} people who hold a license")
        if self._unreadable:
            told.append(f"{_WHAT}: {self._unreadable} accounts or dates have an unknown form; please report it")
        return told

    def notes(self) -> list[str]:
        """Return what people are told besides."""
        unknown, held = self._unknown()
        if self.failed or not unknown:
            return []
        return [f"{_WHAT}: the organization does not name {unknown} of {held} people who hold a license"]

    def _unknown(self) -> tuple[int, int]:
        """Return of how many who hold a license nothing is known, and how many there are."""
        held: set[str] = set().union(*self._holders.values())
        return len(held - self._found.keys()), len(held)

    async def _pages(self, client: JiraClient) -> None:
        tokens, cursor, place, since = SeenTokens(ORGANIZATION_USERS), None, 0, 0
        while True:
            try:
                page = await self._page(client, cursor, _SMALLER[place])
            except JiraRefusedError as error:
                if error.status in _REFUSED:
                    raise _refused(error) from None
                if place == len(_SMALLER) - 1:
                    raise
                place, since = place + 1, 0
                continue
            except JiraUnavailableError as error:
                if error.limited or place == len(_SMALLER) - 1:
                    raise
                place, since = place + 1, 0
                continue
            as_of = now_ms()
            for user in decoded_elements(ORGANIZATION_USER, page.data, self._count_unreadable):
                self._take(user, as_of)
            since += len(page.data)
            if since >= _PAGE:
                place, since = 0, 0
            cursor = page.links.next if page.links else None
            if not cursor:
                return
            tokens.check(cursor, [bytes(one) for one in page.data])

    async def _page(self, client: JiraClient, cursor: str | None, limit: int) -> OrganizationPage:
        body: dict[str, object] = {"limit": limit, "expand": ["productAccess"]}
        if cursor:
            body["cursor"] = cursor
        return await client.read(OrganizationPage, ORGANIZATION_USERS, self._settings.id, body=body, attempts=_ATTEMPTS)

    def _count_unreadable(self) -> None:
        self._unreadable += 1

    def _take(self, user: OrganizationUser, as_of: int) -> None:
        try:
            known = account_id(user.account_id)
        except ValueError:
            known = ""
        if not known:
            self._count_unreadable()
            return
        found = self._found.setdefault(known, _Found(as_of))
        found.as_of = as_of
        if user.added_to_org and (added := _moment_of(user.added_to_org)):
            found.added = added
        if user.product_access is None:
            return
        found.has_entries = True
        for entry in user.product_access:
            match = _ARI.fullmatch(entry.id or "")
            if match is None or match[2].lower() != self._cloud_id:
                continue
            at = _looked(entry.last_active_timestamp)
            if at is None:
                found.unreadable.add(match[1])
                self._count_unreadable()
            elif at:
                found.looked[match[1]] = max(at, found.looked.get(match[1], 0))

    def rows(self, site: str, snapshot_id: int) -> Iterator[Looked | Added]:
        """Yield what was learned, of whom it may matter.

        Args:
            site: Name of the site in the settings.
            snapshot_id: As in `rollcall.records.DirectoryRow`.
        """
        for account, found in self._found.items():
            matters = False
            for product, types in _ENTRIES.items():
                at = max((found.looked.get(one, 0) for one in types), default=0)
                if not at and account not in self._holders.get(product, self._found):
                    continue
                matters = True
                if not at and not found.unreadable.isdisjoint(types):
                    continue
                yield Looked(
                    site=site,
                    snapshot_id=snapshot_id,
                    product=product,
                    account_id=account,
                    looked_at=at or None,
                    as_of=found.as_of,
                )
            if matters and found.added:
                yield Added(site=site, snapshot_id=snapshot_id, account_id=account, added_to_org=found.added)


def _looked(value: msgspec.Raw) -> int | None:
    """Return an entry's time, epoch ms, cut and never rounded; 0 where it has none, None where it cannot be read."""
    if not is_given(value):
        return 0
    try:
        given = msgspec.json.decode(value)
        return 0 if given in (0, *_NO_MOMENTS) else parse_jira_time(given)
    except (ValueError, RecursionError):
        return None


_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def _moment_of(text: str) -> int | None:
    """Return when somebody was added, epoch ms, from a moment or a day (which begins in UTC); None for neither."""
    try:
        return parse_jira_time(f"{text}T00:00:00Z" if _DAY.fullmatch(text) else text)
    except ValueError:
        return None


def _refused(error: JiraRefusedError) -> JiraRefusedError:
    return JiraRefusedError(
        f"{ORGANIZATION_USERS.name}: Atlassian answers {error.status} and refuses the API key; check [organization] id "
        "and api_key_file: a key is valid for a year at most, and an API token of Jira is none",
        error.status,
    )
