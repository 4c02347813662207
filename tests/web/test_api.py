"""The JSON API: the report's rows, one description that holds, and nobody without the secret."""

import asyncio
import io
import json
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any
from unittest.mock import Mock, call

import httpx
import jsonschema
import pytest
import schemathesis
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import ignored_auth

from console.output import OutputFormat, print_rows
from console.reports import REPORTS, Asked
from console.web.access import COOKIE, Gate, Password, Policy, Sessions
from console.web.api import Api
from console.web.openapi import MOST_ROWS, description
from console.web.overview import Page
from console.web.queries import PageQueries
from rollcall.clock import now_ms
from rollcall.errors import WarehouseUnavailableError
from rollcall.eventlog import EventLog
from rollcall.http.guard import MOST_FAILURES, Throttle
from rollcall.settings import Settings
from rollcall.warehouse import Row, Slice, Warehouse
from tools.reference.commands import all_commands

from ..facts import Refreshing, entries, fact
from . import holders
from .serving import Served, served, settings_of

PASSWORD = "correct horse battery"
BEARER = {"authorization": f"Bearer {PASSWORD}"}
NARROWED: dict[str, dict[str, Any]] = {
    "users": {"days": 3, "all_accounts": "true"},
    "days": {"days": 400},
    "licenses": {"days": 400, "product": "jira-software"},
    "idle": {"days": 120, "product": "jira-software"},
    "coverage": {"days": 1},
    "seats": {"product": "jira-software", "verdict": ["never", "reader"], "days": 2},
    "savings": {"product": "jira-servicedesk"},
    "thresholds": {"product": "jira-servicedesk"},
    "robots": {"days": 20, "product": "jira-servicedesk"},
}
"""What the command has as options, for each report; where it takes any, they leave something out."""


async def seed(settings: Settings, warehouse: Warehouse, log: EventLog) -> None:
    """Every verdict, an app, and a day of which webhooks brought less than half."""
    await holders.seed(settings, warehouse, log)
    facts = [fact("history:app", now_ms() - 1000, account_id="app", account_type="app")]
    for number in range(10):
        at = now_ms() - 86_400_000 * (1 + number % 2) - number
        read = fact(f"comment:7{number}", at, account_id="acts", source="reconcile")
        facts += [read] if number >= 4 else [fact(f"comment:7{number}", at, account_id="acts"), read]
    await Refreshing(warehouse, sites=settings.sites).write(entries(facts))


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    settings = settings_of(
        tmp_path_factory.mktemp("api"),
        holders.SITES,
        {"password": PASSWORD},
        seats=holders.SEATS,
        organization=holders.ORGANIZATION,
        audit="on",
    )
    with served(settings, seed) as page:
        yield page


@pytest.fixture
def program(company: Served) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{company.url}/api/v1", headers=BEARER, timeout=60) as client:
        yield client


def printed(rows: list[Row], report: str) -> Any:
    """What `rollcall report` prints of rows as JSON."""
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="utf-8", newline="")
    with redirect_stdout(out):
        print_rows(rows, REPORTS[report].row.__struct_fields__, OutputFormat.JSON)
        out.flush()
    return json.loads(raw.getvalue())


def read(company: Served, report: str, cut: Slice | None = None, **only: Any) -> list[Row]:
    """The rows of a report at acme, as the command reads them."""
    declared = REPORTS[report]
    takes = declared.takes(**only)
    return company.ask(declared.read(company.warehouse, company.settings, "acme", takes, cut or Slice()))


# ---- The same rows everywhere ----


def test_every_report_of_the_command_is_there_with_its_options() -> None:
    commands = {typed.removeprefix("rollcall report "): one for typed, one in all_commands().items()}
    reports = {name: one for name, one in commands.items() if name.split()[0] != "rollcall"}
    assert set(reports) == set(REPORTS)
    for name, command in reports.items():
        options = {option.opts[0].removeprefix("--").replace("-", "_") for option in command.params}
        assert options - {"site", "sort", "limit", "format", "config", "help"} == set(
            REPORTS[name].takes.__struct_fields__
        )
        assert {"sort", "limit"} <= options


@pytest.fixture(scope="module")
def described(company: Served) -> Any:
    return httpx.get(f"{company.url}/api/v1/openapi.json", headers=BEARER, timeout=60).json()


@pytest.mark.parametrize("report", REPORTS)
def test_rows_are_those_of_the_command(company: Served, program: httpx.Client, described: Any, report: str) -> None:
    address = f"/sites/acme/reports/{report}"
    whole = program.get(address).json()
    assert whole["rows"] == printed(read(company, report), report) != []
    assert [whole[name] for name in ("site", "report", "next")] == ["acme", report, None]
    require_described(described, f"/api/v1/sites/{{site}}/reports/{report}", whole)
    given = NARROWED[report]
    only = {name: value == "true" if name == "all_accounts" else value for name, value in given.items()}
    if "verdict" in only:
        only["verdict"] = tuple(only["verdict"])
    rows = program.get(address, params=given).json()["rows"]
    assert rows == printed(read(company, report, **only), report)
    assert not given or rows != whole["rows"]


@pytest.mark.parametrize(
    ("report", "sorts"),
    [
        ("users", ["-name", "email", "-licenses", "last_active_at", "-last_active_at", "-active_days", "account_id"]),
        ("days", ["-day", "comment", "-first_at"]),
        ("idle", ["days_idle", "-days_idle", "-product"]),
        ("seats", ["-verdict", "since", "-granted_by"]),
    ],
)
def test_the_database_orders_as_the_command_does(company: Served, report: str, sorts: list[str]) -> None:
    """The command orders all rows itself; the API has them ordered and cut where they lie."""
    only: dict[str, Any] = {"days": 400} if report == "days" else {}
    whole = read(company, report, **only)
    for sort in sorts:
        cut = Slice(sort, 7, 1)
        assert read(company, report, cut, **only) == cut.of(whole), sort


def test_parts_lead_to_one_another(company: Served, program: httpx.Client) -> None:
    address, found, parts = "/api/v1/sites/acme/reports/users?sort=-name&days=3&limit=50", [], 0
    while address:
        answer = httpx.get(company.url + address, headers=BEARER, timeout=60).json()
        found += answer["rows"]
        address = answer["next"]
        parts += 1
    assert found == program.get("/sites/acme/reports/users?sort=-name&days=3").json()["rows"]
    assert parts == -(-len(found) // 50) == 3


def test_a_site_has_its_own_rows(program: httpx.Client) -> None:
    for report in ("users", "licenses", "coverage"):
        assert program.get(f"/sites/borealis/reports/{report}").json()["rows"] == []


def test_page_and_api_say_the_same(company: Served, program: httpx.Client, described: Any) -> None:
    """The page's export, one person and health, against the reports."""
    here: Any = {"auth": ("", PASSWORD), "timeout": 60}
    seats = program.get("/sites/acme/reports/seats").json()["rows"]
    assert httpx.get(f"{company.url}/seats.json?site=acme", **here).json() == seats
    person = program.get("/sites/acme/people/acts").json()
    require_described(described, "/api/v1/sites/{site}/people/{account_id}", person)
    assert person["seats"] == [row for row in seats if row["account_id"] == "acts"] != []
    days = program.get("/sites/acme/reports/days?days=365").json()["rows"]
    mine = [row for row in days if row["account_id"] == "acts"]
    assert person["days"] == [{name: row[name] for name in ("day", "comment", "history", "worklog")} for row in mine]
    users = {row["account_id"]: row for row in program.get("/sites/acme/reports/users").json()["rows"]}
    assert {name: person[name] for name in ("name", "email", "status", "roles")}.items() <= users["acts"].items()
    health = program.get("/sites/acme/health").json()
    require_described(described, "/api/v1/sites/{site}/health", health)
    covered = program.get("/sites/acme/reports/coverage").json()["rows"]
    assert [{"site": "acme", **day} for day in reversed(health["coverage"])] == covered != []
    text = httpx.get(f"{company.url}/health?site=acme", **here).text
    assert health["troubles"]
    assert all(trouble in text for trouble in health["troubles"])


# ---- The description ----


def require_described(described: Any, path: str, answer: Any) -> None:
    """Hold an answer against the description: it has all that stands there, and of the kind."""
    schema = described["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    jsonschema.validate(answer, {**schema, "components": described["components"]})
    name = schema["$ref"].rpartition("/")[2]
    assert set(answer) == set(described["components"]["schemas"][name]["properties"])


def test_schemathesis_finds_nothing(company: Served) -> None:
    """Values at and beyond every bound of every parameter, other methods, and whether each answer is as described.

    The check of logins is left out: its guesses would be counted as such; the tests below have it.
    """
    schema = schemathesis.openapi.from_url(f"{company.url}/api/v1/openapi.json", headers=BEARER)
    tried = 0
    for found in schema.get_all_operations():
        assert isinstance(found, Ok)
        cases = list(
            schema.iter_coverage_cases(
                found.ok(), generation_modes=list(GenerationMode), generation_config=schema.config.generation
            )
        )
        good = [case for case in cases if case.meta and case.meta.generation.mode.is_positive]
        bad = [case for case in cases if case.meta and case.meta.generation.mode.is_negative]
        for case in [*good[:1], *bad[::6]]:  # each good one costs a query
            case.call_and_validate(headers=BEARER, excluded_checks=[ignored_auth])
            tried += 1
    assert tried > 8 * len(REPORTS)


def test_the_description_names_what_is_checked() -> None:
    for name, path in ((name, f"/api/v1/sites/{{site}}/reports/{name}") for name in REPORTS):
        parameters = {one["name"]: one["schema"] for one in description(["acme"])["paths"][path]["get"]["parameters"]}
        assert list(parameters) == ["site", *REPORTS[name].takes.__struct_fields__, "sort", "limit", "offset"]
        columns = REPORTS[name].row.__struct_fields__
        assert set(parameters["sort"]["enum"]) == {*columns, *(f"-{column}" for column in columns)}
        assert parameters["limit"]["maximum"] == MOST_ROWS


# ---- What is refused ----


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/sites/acme/reports/seats?foo=1", 400, "foo: no such parameter; there are product, verdict, days, sort"),
        ("/sites/acme/reports/seats?days=x", 400, "days: expected `int`"),
        ("/sites/acme/reports/users?days=0", 400, "days: expected `int` >= 1"),
        ("/sites/acme/reports/users?days=10001", 400, "days: expected `int` <= 10000"),
        ("/sites/acme/reports/users?days=" + "9" * 5000, 400, "days: "),
        ("/sites/acme/reports/users?days=1&days=2", 400, "days: given more than once"),
        ("/sites/acme/reports/users?sort=seats", 400, "sort: invalid enum value 'seats'"),
        ("/sites/acme/reports/users?limit=10001", 400, "limit: "),
        ("/sites/acme/reports/users?offset=-1", 400, "offset: "),
        ("/sites/acme/reports/users?all_accounts=maybe", 400, "all_accounts: expected `bool`"),
        ("/sites/acme/reports/seats?verdict=gone", 400, "verdict: invalid enum value 'gone'"),
        ("/sites/acme/reports/seats?product=%00", 400, "product: "),
        ("/sites/acme/health?days=3", 400, "days: no such parameter"),
        ("/sites?x=", 400, "x: no such parameter"),
        ("/sites/nobody/reports/seats", 404, "no such site; there are acme, borealis"),
        ("/sites/nobody/health", 404, "no such site"),
        ("/sites/acme/reports/salaries", 404, "no such report; there are users, days"),
        ("/sites/acme/people/nobody", 404, "no account of this site has that id"),
        ("/sites/acme/people/" + "a" * 5000, 404, "no account of this site has that id"),
        ("/sites/acme/people/%00%27%F0", 404, "no account of this site has that id"),
        ("/sites/", 404, "Not Found"),
        ("/nothing", 404, "Not Found"),
    ],
)
def test_nonsense_is_refused_in_plain_words(program: httpx.Client, path: str, status: int, said: str) -> None:
    answer = program.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    told = answer.json()
    assert told["status"] == status
    assert told["detail"].startswith(said)
    assert len(told["detail"]) <= 300


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_nothing_can_be_changed(program: httpx.Client, method: str) -> None:
    answer = program.request(method, "/sites")
    assert answer.status_code == 405
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD"}
    assert answer.json()["status"] == 405


@pytest.mark.parametrize("place", ["reports/users?limit=3", "reports/savings?sort=held", "people/kept", "health"])
def test_without_a_warehouse_it_says_when_to_come_again(
    company: Served, program: httpx.Client, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    async def away(*_: Any, **__: Any) -> list[Row]:
        raise WarehouseUnavailableError("cannot reach http://someone:secret@host")

    monkeypatch.setattr(company.warehouse, "query", away)
    monkeypatch.setattr("console.web.queries.Cache.get", lambda cache, key: cache._load(key))  # nothing of before
    answer = program.get(f"/sites/acme/{place}")
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
    assert int(answer.headers["retry-after"]) > 0
    assert "secret" not in answer.text


def test_reports_wait_for_one_another_and_not_for_ever(company: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is slow holds no second of the page's few slots."""
    monkeypatch.setattr("console.web.queries._QUERY_TIMEOUT", 0.3)
    under_way = most = 0

    async def slow(*_: Any) -> list[Row]:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.2)
        under_way -= 1
        return []

    declared = REPORTS["coverage"]
    monkeypatch.setitem(REPORTS, "coverage", type(declared)(declared.row, declared.takes, slow, of_persons=False))

    async def ask() -> list[Any]:
        runtime = Mock(settings=company.settings, warehouse=company.warehouse)
        queries = PageQueries(Page(runtime))
        asked = [Asked("acme", "coverage", declared.takes(), Slice("", 1, number)) for number in range(3)]
        return await asyncio.gather(*map(queries.report, asked), return_exceptions=True)

    answers = asyncio.run(ask())
    assert most == 1
    assert [isinstance(one, WarehouseUnavailableError) for one in answers] == [False, True, True]


# ---- Who may ask ----


def test_nobody_without_the_secret(company: Served) -> None:
    paths = description(["acme"])["paths"]
    for path in [*paths, "/api/v1/openapi.json", "/api/v1/nothing", "/api/v1/"]:
        address = company.url + path.replace("{site}", "acme").replace("{account_id}", "acts")
        refused = httpx.get(address, timeout=60)
        assert (refused.status_code, refused.headers["content-type"]) == (401, "application/problem+json")
        assert refused.headers["www-authenticate"] == 'Basic realm="rollcall"'
        assert set(refused.json()) == {"type", "title", "status", "detail"}
        assert "acme" not in refused.text


def test_the_pages_password_opens_it_in_each_way(company: Served) -> None:
    address = f"{company.url}/api/v1/sites"
    for headers in (BEARER, {"authorization": f"bearer  {PASSWORD}"}):
        assert httpx.get(address, headers=headers, timeout=60).status_code == 200
    assert httpx.get(address, auth=("anybody", PASSWORD), timeout=60).status_code == 200
    with httpx.Client(base_url=company.url, timeout=60) as viewer:
        viewer.post("/sign-in", data={"password": PASSWORD}, headers={"origin": company.url})
        assert viewer.get("/api/v1/sites").status_code == 200
        viewer.post("/sign-out", headers={"origin": company.url})
        assert viewer.get("/api/v1/sites").status_code == 401
    for wrong in ("Bearer", f"Bearer {PASSWORD}x", f"Token {PASSWORD}", PASSWORD):
        answer = httpx.get(address, headers={"authorization": wrong}, timeout=60)
        assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")


def gated(settings: Settings, sessions: Sessions | None = None) -> Gate:
    """The API behind its gate, without what it would read from."""
    page = Page(Mock(settings=settings))
    app = Api(page, PageQueries(page)).app()

    async def below(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, "root_path": "/api/v1"}, receive, send)

    password = Password(settings.page.secret(), Throttle(lambda: 0.0))
    policy = Policy(settings, settings.listen)
    return Gate(below, policy=policy, sessions=sessions or Sessions(60, lambda: 0.0), password=password, audit=True)


def ask(gate: Gate, *requests: dict[str, str], path: str = "/api/v1/sites") -> list[httpx.Response]:
    async def asking() -> list[httpx.Response]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(gate), base_url="http://127.0.0.1") as client:
            return [await client.get(path, headers=headers) for headers in requests]

    return asyncio.run(asking())


def test_where_the_page_is_not_shown_there_is_no_api(tmp_path: Path) -> None:
    local = gated(settings_of(tmp_path, holders.SITES, {}))
    beyond = gated(settings_of(tmp_path, holders.SITES, {}, listen="0.0.0.0:8080"))
    proxied, rebound = ask(local, {"x-forwarded-for": "192.0.2.1"}, {"host": "evil.example"})
    [unset] = ask(beyond, BEARER)
    for answer, said in ((proxied, "a proxy passed this on"), (rebound, "the Host"), (unset, "page.password_file")):
        assert (answer.status_code, answer.headers["content-type"]) == (403, "application/problem+json")
        assert said in answer.json()["detail"]
    assert [answer.status_code for answer in ask(local, {}, BEARER)] == [401, 401], "there is no password to give"
    assert [answer.status_code for answer in ask(gated(settings_of(tmp_path, holders.SITES)), {})] == [200]


def test_guessing_is_slowed_down(tmp_path: Path) -> None:
    gate = gated(settings_of(tmp_path, holders.SITES, {"password": PASSWORD}))
    guesses = [{"authorization": f"Bearer guess {number}"} for number in range(MOST_FAILURES)]
    *wrong, slowed = ask(gate, *guesses, BEARER)
    assert {answer.status_code for answer in wrong} == {401}
    assert (slowed.status_code, slowed.json()["status"]) == (429, 429), "the right one does not help now"
    assert int(slowed.headers["retry-after"]) > 0


def test_each_request_is_a_line_of_the_log_with_nothing_of_a_stranger(
    company: Served, program: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = Mock()
    monkeypatch.setattr("console.web.access._log", told)
    rows = len(program.get("/sites/acme/reports/savings").json()["rows"])
    program.get("/sites/acme/people/acts")
    program.get("/sites/evil/reports/evil?q=evil")
    program.get("/sites", headers={"authorization": "", "cookie": f"{COOKIE}=evil"})

    def line(kind: str, site: str, outcome: str, rows: int | None) -> Any:
        who = {"client": "127.0.0.1", "by": "password", "sees": "names"}
        return call("page viewed", **who, kind=kind, site=site, outcome=outcome, rows=rows)

    assert told.info.mock_calls == [
        line("api/savings", "acme", "ok", rows),
        line("api/person", "acme", "ok", 1),
        line("api", "", "failed", None),
    ]
