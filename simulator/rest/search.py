"""POST and GET /search/jql and what belongs to it."""

import base64
from collections import OrderedDict
from typing import Any

import msgspec

from simulator.chance import share
from simulator.life.birth import FIRST_ID
from simulator.rest.call import ApiCall
from simulator.rest.index import Row
from simulator.rest.jql import Query, names_of, parse
from simulator.rest.response import JiraError
from simulator.rest.rest_serializer import RestSerializer
from simulator.rest.site import Site

MOST, MOST_IDS = 100, 5_000
"""Issues a page holds with any field, and with nothing but id or key."""
_KEPT = 16


class Token(msgspec.Struct, frozen=True):
    """What nextPageToken says: the search and how far it has come."""

    search: int
    place: int


class Searches:
    """The answers to searches still being paged: lists of issue ids as the index had them."""

    def __init__(self, site: Site) -> None:
        """Begin without any."""
        self._site = site
        self._found: OrderedDict[int, tuple[str, list[int]]] = OrderedDict()
        self._made = 0

    def begin(self, jql: str, fresh: list[int]) -> tuple[int, list[int]]:
        """Search, and return the number of the search with all the ids it finds."""
        found = [row.id for row in self.rows(jql, fresh)]
        self._made += 1
        self._found[self._made] = (jql, found)
        if len(self._found) > _KEPT:
            self._found.popitem(last=False)
        return self._made, found

    def go_on(self, text: str, jql: str) -> tuple[Token, list[int]]:
        """Return where a token continues.

        Raises:
            JiraError: 400, the token is not one of ours or belongs to another query.
        """
        try:
            token = msgspec.json.decode(base64.urlsafe_b64decode(text), type=Token)
        except (ValueError, msgspec.DecodeError) as error:
            raise JiraError(400, "Next page token is invalid.") from error
        known = self._found.get(token.search)
        if known is None:
            # Other searches have pushed this one out; it is the same query, so ask again.
            number, found = self.begin(jql, [])
            return Token(number, token.place), found
        if jql and known[0] != jql:
            raise JiraError(400, "Next page token belongs to another query.")
        return token, known[1]

    def rows(self, jql: str, fresh: list[int]) -> list[Row]:
        """Return the rows a query finds, in order; ``fresh`` ids are read from the store, not the index."""
        site = self._site
        query = self._query(jql)
        rows = [row for row in site.index.rows.values() if row.id not in fresh and query.matches(row)]
        for issue_id in fresh:
            if (found := site.issue_by_id(issue_id)) is not None:
                issue = found.issue
                row = Row(issue.id, issue.created, issue.updated, issue.project)
                rows += [row] if query.matches(row) else []
        query.sort(rows)
        return rows

    def _query(self, jql: str) -> Query:
        return parse(jql, names_of(self._site, self._site.now()))


def search(call: ApiCall, searches: Searches, serializer: RestSerializer) -> dict[str, Any]:
    """Answer a search: a page of issues and, if there is more, the token of the next."""
    site = call.site
    body = call.body if isinstance(call.body, dict) else {}
    jql = str(body.get("jql") or call.query.get("jql") or "")
    fields = call.listed("fields") or ["id"]
    only_ids = set(fields) <= {"id", "key"}
    size = call.number("maxResults", 50, MOST_IDS if only_ids else MOST)
    if not size:
        raise JiraError(400, "The value of 'maxResults' must be at least 1.")
    fresh = [int(number) for number in call.listed("reconcileIssues") if number.isdigit()][:50]
    if isinstance(body.get("expand"), list):
        # A comma string even in POST, unlike ``fields``.
        raise JiraError(400, "Invalid request payload. Refer to the REST API documentation and try again.")
    expand = call.listed("expand")
    site.now()
    text = str(body.get("nextPageToken") or call.query.get("nextPageToken") or "")
    if text:
        token, found = searches.go_on(text, jql)
    else:
        number, found = searches.begin(jql, fresh)
        token = Token(number, 0)
    if not call.signed_in or "BROWSE_PROJECTS" not in site.faults.permissions:
        # Missing permission looks like an empty answer, not like an error.
        return {"issues": [], "isLast": True}
    if size > 1 and share(site.config.seed, token.search, token.place, 91) < site.faults.short_page_share:
        size = max(1, size * 2 // 3)
    page = found[token.place : token.place + size]
    if only_ids:
        call.fail_if_broken("POST /rest/api/3/search/jql (ids only)", page, size)
        issues = [
            {"id": str(number)} | ({"key": _key(site, serializer, number)} if "key" in fields else {})
            for number in page
        ]
    else:
        call.fail_if_broken("POST /rest/api/3/search/jql", page, size)
        alive = (site.issue_by_id(number) for number in page if number not in site.faults.unlisted)
        issues = [serializer.issue(one, fields, expand) for one in alive if one is not None]
    place = token.place + size
    if not only_ids and site.faults.skipped_page and place == (site.faults.skipped_page - 1) * size:
        place += size
    if place >= len(found):
        return {"issues": issues, "isLast": True}
    after = base64.urlsafe_b64encode(msgspec.json.encode(Token(token.search, place))).decode()
    return {"issues": issues, "nextPageToken": after, "isLast": site.faults.early_last}


def count(call: ApiCall, searches: Searches) -> dict[str, Any]:
    """Answer POST /search/approximate-count."""
    body = call.body if isinstance(call.body, dict) else {}
    return {"count": len(searches.rows(str(body.get("jql") or ""), []))}


def _key(site: Site, serializer: RestSerializer, number: int) -> str:
    found = site.issue_by_id(number)
    if found is not None:
        return serializer.key(found.issue)
    return f"{site.projects[0].key}-{number - FIRST_ID + 1}"
