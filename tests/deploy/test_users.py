"""users.xml as ClickHouse reads it, laid over the server's own: who there is, how they prove it, what they may do."""

from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from rollcall.warehouse.client import WRITE_SETTINGS

from .files import READABLE, compose, grants, services
from .users import EXAMINER, ask, lay_out, lend, password_variables

Answers = dict[str, list[dict[str, Any]]]
"""Rows by query."""

PASSWORDS = {variable: f"the password of {name}" for name, variable in password_variables().items()}

USERS = "SELECT name, auth_type, host_ip, host_names, host_names_regexp, host_names_like FROM system.users"
PROFILES = (
    "SELECT profile_name, setting_name, value, min, max, toString(writability) AS writability "
    "FROM system.settings_profile_elements WHERE setting_name IS NOT NULL"
)
WHOSE = "SELECT user_name, inherit_profile FROM system.settings_profile_elements WHERE user_name IS NOT NULL"
ROLES = "SELECT user_name, granted_role_name FROM system.role_grants"
GRANTS = "SELECT user_name, role_name, access_type, database, table, is_partial_revoke, grant_option FROM system.grants"


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Answers:
    config = lay_out(tmp_path_factory.mktemp("users"), after=EXAMINER)
    asked = ask(config, USERS, PROFILES, WHOSE, GRANTS, ROLES, environment=PASSWORDS)
    assert not asked.trouble
    return dict(zip([USERS, PROFILES, WHOSE, GRANTS, ROLES], asked.rows, strict=True))


def profile(answers: Answers, user: str) -> dict[str, tuple[Any, ...]]:
    """What holds for a user: of each setting the value, its bounds, and whether it can be changed."""
    [name] = [row["inherit_profile"] for row in answers[WHOSE] if row["user_name"] == user]
    rows = [row for row in answers[PROFILES] if row["profile_name"] == name]
    return {row["setting_name"]: (row["value"], row["min"], row["max"], row["writability"]) for row in rows}


def test_there_is_no_default_user(tmp_path: Path) -> None:
    """The image has one, without a password; chDB comes in as it, and must not."""
    assert "default: Authentication failed" in ask(lay_out(tmp_path), environment=PASSWORDS).trouble


def test_every_user_has_a_password_in_the_environment(answers: Answers) -> None:
    users = {row["name"]: row["auth_type"] for row in answers[USERS] if row["name"] != "default"}
    assert set(users) == set(password_variables())
    assert all(password_variables().values())
    assert all(ways == ["plaintext_password"] for ways in users.values())


@pytest.mark.parametrize("user", password_variables())
def test_nobody_comes_in_without_it(user: str, tmp_path: Path) -> None:
    """ClickHouse takes a variable that is missing for an empty password, so compose must not start without it."""
    config = lend(tmp_path, user, with_password=True)
    assert "Authentication failed" in ask(config, environment=PASSWORDS).trouble
    assert "Authentication failed" not in ask(config, environment={}).trouble
    variable = password_variables()[user]
    assert services()["clickhouse"]["environment"][variable].startswith(f"${{{variable}:?")


def test_the_users_are_those_who_come() -> None:
    """Each has its own variable, and compose gives it to whoever comes as that user."""
    assert set(password_variables()) == {"rollcall", "dashboards"}
    assert len(set(password_variables().values())) == 2
    url = services()["consumer"]["environment"]["ROLLCALL_WAREHOUSE_URL"]
    assert url.startswith(f"clickhouse://rollcall:${{{password_variables()['rollcall']}:?")
    assert password_variables()["dashboards"] in services()["grafana"]["environment"]
    assert password_variables()["rollcall"] not in services()["grafana"]["environment"]


def test_they_come_from_everywhere_because_nothing_else_gets_there(answers: Answers) -> None:
    for row in answers[USERS]:
        assert row["host_ip"] == ["::/0"]
        assert not [*row["host_names"], *row["host_names_regexp"], *row["host_names_like"]]
    clickhouse = services()["clickhouse"]
    assert "ports" not in clickhouse
    assert "network_mode" not in clickhouse
    assert all(compose()["networks"][network].get("internal") for network in clickhouse["networks"])


def test_the_writers_profile_is_what_inserts_need(answers: Answers) -> None:
    held = profile(answers, "rollcall")
    assert {name: value for name, (value, *_) in held.items()} == {
        name: str(value) for name, value in WRITE_SETTINGS.items()
    }


def test_the_dashboards_only_read_and_in_bounds(answers: Answers) -> None:
    held = profile(answers, "dashboards")
    assert held.pop("readonly")[0] == "2"
    assert held.pop("allow_ddl")[::3] == ("0", "CONST")
    assert set(held) == {"max_execution_time", "max_memory_usage", "max_result_rows", "max_threads"}
    for name, (value, least, most, _) in held.items():
        assert float(least) == 1, f"{name} of 0 is none at all"
        assert float(value) == float(most) > 1, name


def test_what_is_granted_is_of_our_database(answers: Answers) -> None:
    ours = [row for row in answers[GRANTS] if row["user_name"] != "default"]
    assert {(row["user_name"], row["role_name"]) for row in ours} == {("rollcall", None), (None, "dashboards")}
    assert answers[ROLES] == [{"user_name": "dashboards", "granted_role_name": "dashboards"}]
    assert not any(row["grant_option"] or row["is_partial_revoke"] for row in ours)
    for row in ours:
        elsewhere = (row["user_name"], row["access_type"], row["database"], row["table"])
        assert row["database"] == "rollcall" or elsewhere == ("rollcall", "SELECT", "system", "processes")
    reading = [row for row in ours if row["role_name"] == "dashboards"]
    assert {row["access_type"] for row in reading} == {"SELECT"}
    assert all(row["table"] for row in reading), "table by table: the way in is not for readers"
    assert {row["table"] for row in reading} == READABLE


def test_the_embedded_engine_has_the_same_role() -> None:
    embedded = files("rollcall.warehouse").joinpath("access", "users.xml")
    assert [one.replace(" ON default.", " ON rollcall.") for one in grants(Path(str(embedded)))] == [
        *(one for one in grants() if one.removeprefix("GRANT SELECT ON rollcall.") in READABLE),
        "GRANT ALL ON *.* WITH GRANT OPTION",
    ]
