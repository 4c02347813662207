"""Reads the part of JQL that a backfill needs: times, projects, ids and order, and what they may refer to on a site.

Jira Cloud: time literals have minute resolution and are read in the calling user's profile time zone; ``-31d`` is
relative to now; a query without any restriction is refused.
"""

import operator
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from simulator.life.birth import FIRST_ID
from simulator.rest.index import Row
from simulator.rest.response import JiraError
from simulator.rest.site import Site

Test = Callable[[Row], bool]

_TOKEN = re.compile(r"""\s*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|>=|<=|!=|[=<>(),]|[^\s=<>!(),"']+)""")
_SPAN = re.compile(r"([+-]?\d+)([wdhm])")
_UNITS = {"w": "weeks", "d": "days", "h": "hours", "m": "minutes"}
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    ">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt,
}  # fmt: skip
_TIMES = {"updated": "updated", "updateddate": "updated", "created": "created", "createddate": "created"}
_IDS = {"id", "issue", "key", "issuekey"}
_FORMATS = ("%Y-%m-%d %H:%M", "%Y/%m/%d %H:%M", "%Y-%m-%d", "%Y/%m/%d")
_ORDERS = {**_TIMES, "id": "id", "key": "id", "issue": "id", "issuekey": "id"}

UNBOUNDED = "Unbounded JQL queries are not allowed here. Please add a search restriction to your query."


class Query(msgspec.Struct, frozen=True):
    """What to find and in which order: names of row fields, and whether descending."""

    tests: list[Test]
    order: list[tuple[str, bool]]

    def matches(self, row: Row) -> bool:
        """Return whether an issue is found."""
        return all(test(row) for test in self.tests)

    def sort(self, rows: list[Row]) -> None:
        """Sort in place; without an order Jira gives the newest first."""
        for field, descending in reversed(self.order or [("created", True), ("id", True)]):
            rows.sort(key=operator.attrgetter(field), reverse=descending)


class Names(msgspec.Struct, frozen=True):
    """What a query may refer to: present (epoch ms), the caller's zone, projects and keys to ids."""

    now: int
    zone: str
    project: Callable[[str], int | None]
    issue: Callable[[str], int | None]


def parse(jql: str, names: Names) -> Query:
    """Read a query.

    Raises:
        JiraError: 400, with Jira's words for an unbounded query, else with what is wrong.
    """
    tokens = _tokens(jql)
    reader = _Reader(tokens, names)
    tests = []
    if tokens and tokens[0].lower() != "order":
        tests.append(reader.clause())
        while reader.take("and"):
            tests.append(reader.clause())
    order = reader.order()
    if reader.left():
        raise JiraError(400, f"Error in the JQL Query: Expecting either 'OR' or 'AND' but got '{reader.left()}'.")
    if not tests:
        raise JiraError(400, UNBOUNDED)
    return Query(tests, order)


class _Reader:
    def __init__(self, tokens: list[str], names: Names) -> None:
        self._tokens = tokens
        self._place = 0
        self._names = names

    def left(self) -> str:
        return self._tokens[self._place] if self._place < len(self._tokens) else ""

    def take(self, word: str) -> bool:
        found = self.left().lower() == word
        self._place += found
        return found

    def next(self) -> str:
        token = self.left()
        if not token:
            raise JiraError(400, "Error in the JQL Query: The query ends too early.")
        self._place += 1
        return token

    def clause(self) -> Test:
        if self.take("("):
            tests = [self.clause()]
            while self.take("and"):
                tests.append(self.clause())
            self._expect(")")
            return lambda row: all(test(row) for test in tests)
        field = _plain(self.next()).lower()
        if field in _TIMES:
            compare, name = self._comparison(), _TIMES[field]
            moment = self._moment()
            return lambda row: compare(getattr(row, name), moment)
        if field == "project":
            return self._member("project", self._names.project)
        if field in _IDS:
            if self.left() in _COMPARE:
                compare, bound = self._comparison(), self._known(self._names.issue)
                return lambda row: compare(row.id, bound)
            return self._member("id", self._names.issue)
        raise JiraError(400, f"Field '{field}' does not exist or you do not have permission to view it.")

    def order(self) -> list[tuple[str, bool]]:
        if not self.take("order"):
            return []
        self._expect("by")
        found = []
        while True:
            field = _plain(self.next()).lower()
            if field not in _ORDERS:
                raise JiraError(400, f"Field '{field}' does not exist or this field cannot be viewed.")
            descending = self.take("desc")
            if not descending:
                self.take("asc")
            found.append((_ORDERS[field], descending))
            if not self.take(","):
                break
        if len(found) > 7:
            raise JiraError(400, "At most 7 fields may be used to order.")
        return found

    def _member(self, attribute: str, resolve: Callable[[str], int | None]) -> Test:
        if self.take("is"):
            empty = not self.take("not")
            self._expect("empty")
            return lambda _row: not empty
        if self.take("="):
            one = self._known(resolve)
            return lambda row: bool(getattr(row, attribute) == one)
        if self.take("!="):
            other = self._known(resolve)
            return lambda row: bool(getattr(row, attribute) != other)
        inverted = self.take("not")
        self._expect("in")
        self._expect("(")
        some = {self._known(resolve)}
        while self.take(","):
            some.add(self._known(resolve))
        self._expect(")")
        return lambda row: (getattr(row, attribute) in some) is not inverted

    def _known(self, resolve: Callable[[str], int | None]) -> int:
        text = _plain(self.next())
        found = resolve(text)
        if found is None:
            raise JiraError(400, f"The value '{text}' does not exist or you do not have permission to see it.")
        return found

    def _comparison(self) -> Callable[[Any, Any], bool]:
        token = self.next()
        if token not in _COMPARE:
            raise JiraError(400, f"The operator '{token}' is not supported here.")
        return _COMPARE[token]

    def _moment(self) -> int:
        token = self.next()
        text = _plain(token)
        zone = ZoneInfo(self._names.zone)
        now = datetime.fromtimestamp(self._names.now / 1000, zone)
        if text.lower() in ("now", "startofday"):
            shift = self._call()
            base = now if text.lower() == "now" else now.replace(hour=0, minute=0, second=0, microsecond=0)
            return _ms(base + shift)
        if span := _span(text):
            return self._names.now + int(span.total_seconds() * 1000)
        for form in _FORMATS:
            try:
                return _ms(datetime.strptime(text, form).replace(tzinfo=zone))
            except ValueError:
                continue
        raise JiraError(400, f"Date value '{text}' is invalid. Valid formats: 'yyyy/MM/dd HH:mm', 'yyyy-MM-dd HH:mm'.")

    def _call(self) -> timedelta:
        self._expect("(")
        if self.take(")"):
            return timedelta()
        span = _span(_plain(self.next()))
        self._expect(")")
        if span is None:
            raise JiraError(400, "Error in the JQL Query: a function wants a span such as -1d.")
        return span

    def _expect(self, word: str) -> None:
        if not self.take(word):
            raise JiraError(400, f"Error in the JQL Query: Expecting '{word}' but got '{self.left()}'.")


def _tokens(jql: str) -> list[str]:
    found, place = [], 0
    text = jql.rstrip()
    while place < len(text):
        match = _TOKEN.match(text, place)
        if not match:
            raise JiraError(400, f"Error in the JQL Query: The character '{text[place]}' is not allowed here.")
        found.append(match[1])
        place = match.end()
    return found


def _plain(token: str) -> str:
    return token[1:-1] if token[:1] in ('"', "'") else token


def _span(text: str) -> timedelta | None:
    if not _SPAN.sub("", text).strip() and (parts := _SPAN.findall(text)):
        return sum((timedelta(**{_UNITS[unit]: int(count)}) for count, unit in parts), timedelta())
    return None


def _ms(moment: datetime) -> int:
    return int(moment.timestamp()) * 1000 + moment.microsecond // 1000


def names_of(site: Site, now: int) -> Names:
    """Return the names a query can use, relative to ``now``, epoch ms."""
    by_name = {project.key.lower(): project.index for project in site.projects}
    by_name |= {str(project.id): project.index for project in site.projects}

    def issue(text: str) -> int | None:
        number = text.rpartition("-")[2]
        if not number.isdigit():
            return None
        return int(number) if number == text else int(number) + FIRST_ID - 1

    return Names(now, site.config.caller_zone, lambda text: by_name.get(text.lower()), issue)
