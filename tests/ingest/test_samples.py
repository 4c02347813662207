"""Every sample body, file by file."""

import json

import pytest

from ingest.handler import translate
from rollcall.errors import NotUnderstoodError

from .sample_table import CLOUD, DATA_CENTER, SAMPLES, Expected, Fact, Letter, NoFact

RECEIVED = 1_790_900_000_000
ALL = {
    f"{folder}/{name}": want
    for folder, table in (("cloud", CLOUD), ("data-center", DATA_CENTER))
    for name, want in table.items()
}


@pytest.mark.parametrize(("folder", "table"), [("cloud", CLOUD), ("data-center", DATA_CENTER)])
def test_the_table_has_every_file(folder: str, table: dict[str, Expected]) -> None:
    assert sorted(table) == sorted(path.stem for path in (SAMPLES / folder).iterdir())


def test_the_number_of_files_is_the_one_announced() -> None:
    assert (len(CLOUD), len(DATA_CENTER)) == (41, 22)


def outcome(body: bytes) -> Expected:
    try:
        told = translate("acme", body, "", RECEIVED)
    except NotUnderstoodError as error:
        return Letter(error.reason)
    if not told.facts:
        return NoFact(told.outcome)
    (got,) = told.facts
    family, _, rest = got.event_key.partition(":")
    assert told.outcome == "facts"
    assert (got.site, got.source, got.received_at) == ("acme", "webhook", RECEIVED)
    assert got.family == (family if family in ("comment", "worklog") else "history")
    assert got.action == (rest.split(":")[1] if family != "history" else "updated")
    return Fact(
        got.event_key,
        got.occurred_at,
        got.account_id,
        got.account_type,
        got.issue_id,
        got.issue_key,
        got.project_key,
        tuple(got.fields),
    )


@pytest.mark.parametrize("name", ALL)
def test_a_sample(name: str) -> None:
    assert outcome((SAMPLES / f"{name}.json").read_bytes()) == ALL[name]


@pytest.mark.parametrize("name", CLOUD)
def test_a_sample_in_the_modern_form(name: str) -> None:
    """Without the ``name``, ``key`` and ``emailAddress`` of people that Jira Cloud has dropped since 2019."""

    def modern(value: object) -> object:
        if isinstance(value, list):
            return [modern(each) for each in value]
        if isinstance(value, dict):
            gone = ("name", "key", "emailAddress") if "accountId" in value else ()
            return {key: modern(each) for key, each in value.items() if key not in gone}
        return value

    body = json.dumps(modern(json.loads((SAMPLES / "cloud" / f"{name}.json").read_bytes()))).encode()
    assert outcome(body) == CLOUD[name]


@pytest.mark.parametrize("name", DATA_CENTER)
def test_a_data_center_sample_says_what_it_is(name: str) -> None:
    said = "Data Center" if DATA_CENTER[name] == Letter("data_center") else "names no webhookEvent"
    with pytest.raises(NotUnderstoodError, match=said):
        translate("acme", (SAMPLES / "data-center" / f"{name}.json").read_bytes(), "", RECEIVED)
