"""Settings of seats: the contract's own sample loads, and what is wrong is named with its remedy."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from rollcall.errors import SettingsError
from rollcall.settings import Settings, load_settings

SITE = """
[sites.acme]
url = "https://acme.atlassian.net"
unsigned = true
"""
CONTRACT = (
    SITE
    + """
[organization]
id = "0b6a1c4e-aaaa-4bbb-8ccc-1234567890ab"
api_key_file = "KEY"
[seats]
idle_days = 90
new_days = 30
[[seats.exempt]]
group = "contractors"
reason = "seasonal work"
until = 2027-01-31
[[seats.exempt]]
account_id = "5b10a2844c20165700ede21g"
reason = "signs once a year"
site = "acme"
[seats.products.jira-software]
currency = "USD"
price = [[100, 9.05], [250, 6.70]]
renews = 2026-12-14
idle_days = 60
[seats.products.jira-servicedesk]
currency = "EUR"
tiers = [[100, 9500], [200, 17500]]
new_days = 0
"""
)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "rollcall.toml"


def loaded(config: Path, text: str) -> Settings:
    config.write_text(text)
    return load_settings(config)


def broken(config: Path, text: str) -> str:
    with pytest.raises(SettingsError) as caught:
        loaded(config, text)
    return str(caught.value)


def test_the_contracts_sample_loads(config: Path, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("an-organization-key\n")
    settings = loaded(config, CONTRACT.replace("KEY", str(key)))
    assert settings.organization.secret() == "an-organization-key"
    assert settings.organization.url == "https://api.atlassian.com"
    seats = settings.seats
    software = seats.products["jira-software"]
    assert software.price == [(100, Decimal("9.05")), (250, Decimal("6.70"))]
    assert software.renews == date(2026, 12, 14)
    assert seats.products["jira-servicedesk"].tiers == [(100, Decimal(9500)), (200, Decimal(17500))]
    assert [one.until for one in seats.exempt] == [date(2027, 1, 31), None]


def test_days_of_a_product_stand_before_those_of_all(config: Path, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("k")
    seats = loaded(config, CONTRACT.replace("KEY", str(tmp_path / "key"))).seats
    products = ("jira-software", "jira-servicedesk", "jira-core")
    assert [seats.idle_days_of(one) for one in products] == [60, 90, 90]
    assert [seats.new_days_of(one) for one in products] == [30, 0, 30]


def test_without_any_of_it_there_are_the_contracts_defaults(config: Path) -> None:
    settings = loaded(config, SITE)
    assert (settings.seats.idle_days, settings.seats.new_days, settings.seats.coverage_line) == (90, 30, 0.95)
    assert (settings.organization.id, settings.organization.secret()) == ("", "")


def test_entries_come_from_the_environment_as_one_list(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROLLCALL_SEATS__EXEMPT", '[{"group": "contractors", "reason": "seasonal work"}]')
    monkeypatch.setenv("ROLLCALL_SEATS__IDLE_DAYS", "45")
    seats = loaded(config, SITE + "[seats]\nnew_days = 7").seats
    assert (seats.idle_days, seats.new_days, [one.group for one in seats.exempt]) == (45, 7, ["contractors"])


@pytest.mark.parametrize(
    ("lines", "named", "remedy"),
    [
        ('[organization]\nid = "o"', "organization", "set api_key_file"),
        ('[organization]\napi_key = "a-secret-key"', "organization", "set id"),
        ('[organization]\nid = "../o"\napi_key = "k"', "organization.id", "letters, digits"),
        ('[organization]\nurl = "http://example.com"', "organization.url", "https"),
        ("[seats]\nidle_days = 0", "seats.idle_days", "greater than or equal to 1"),
        ("[seats]\nnew_days = -1", "seats.new_days", "greater than or equal to 0"),
        ("[seats]\nidledays = 3", "seats.idledays", "no such setting"),
        ('[[seats.exempt]]\nreason = "x"', "seats.exempt.0", "either a group or an account_id"),
        ('[[seats.exempt]]\ngroup = "g"\naccount_id = "a"\nreason = "x"', "seats.exempt.0", "not both"),
        ('[[seats.exempt]]\ngroup = "g"\nreason = " "', "seats.exempt.0", "needs a reason"),
        ('[[seats.exempt]]\ngroup = "g"\nreason = "x"\nuntil = "soon"', "seats.exempt.0.until", "date"),
        ('[[seats.exempt]]\ngroup = "g"\nreason = "x"\nsite = "other"', "seats.exempt.0.site", "the sites are acme"),
        ('[seats.products."Jira Software"]', "seats.products", "jira-software, jira-servicedesk"),
        ("[seats.products.jira-core]\nprice = [[10, 1]]", "seats.products.jira-core", "set currency"),
        (
            '[seats.products.jira-core]\ncurrency = "USD"\nprice = [[10, 1]]\ntiers = [[10, 1]]',
            "seats.products.jira-core",
            "remove one of the two",
        ),
        (
            '[seats.products.jira-core]\ncurrency = "USD"\nprice = [[10, 1], [10, 2]]',
            "seats.products.jira-core.price",
            "rise from step to step, and are 10, 10",
        ),
        ('[seats.products.jira-core]\ncurrency = "USD"\nprice = [[10, -1]]', "price.0.1", "greater than or equal to 0"),
        ('[seats.products.jira-core]\ncurrency = "USD"\nprice = [[10, nan]]', "price.0.1", "finite"),
        ('[seats.products.jira-core]\ncurrency = "USD"\ntiers = [[0, 5]]', "tiers.0.0", "greater than or equal to 1"),
        ('[seats.products.jira-core]\ncurrency = "dollars"', "seats.products.jira-core.currency", "pattern"),
        ('[seats.products.jira-core]\nrenews = "often"', "seats.products.jira-core.renews", "date"),
    ],
)
def test_what_is_wrong_is_named_with_its_remedy(config: Path, lines: str, named: str, remedy: str) -> None:
    told = broken(config, SITE + lines)
    assert named in told
    assert remedy in told
    assert "a-secret-key" not in told


def test_a_key_that_no_header_can_hold_is_refused(config: Path, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("two words")
    settings = loaded(config, f'{SITE}[organization]\nid = "o"\napi_key_file = "{tmp_path / "key"}"')
    with pytest.raises(ValueError, match="copy it anew") as caught:
        settings.organization.secret()
    assert "two words" not in str(caught.value)
