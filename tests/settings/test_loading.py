"""Settings come from file and environment; what is wrong is named with its remedy, and no secret is repeated."""

from pathlib import Path

import pytest

from rollcall.errors import SettingsError
from rollcall.http.guard import split_address
from rollcall.settings import load_settings

GOOD = """
listen = "127.0.0.1:9000"
[ingest]
body_limit = 5000
[sites.acme]
url = "https://acme.atlassian.net/"
webhook_secrets = ["current-secret", "previous-secret"]
timezone = "Europe/Berlin"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "rollcall.toml"
    path.write_text(GOOD)
    return path


def broken(config: Path, text: str) -> str:
    config.write_text(text)
    with pytest.raises(SettingsError) as caught:
        load_settings(config)
    return str(caught.value)


def site(lines: str) -> str:
    return f'[sites.acme]\nurl = "https://acme.atlassian.net"\n{lines}\n'


def test_file_and_defaults(config: Path) -> None:
    settings = load_settings(config)
    assert settings.listen == "127.0.0.1:9000"
    assert settings.ingest.body_limit == 5000
    assert settings.ingest.append_timeout == 10.0
    assert settings.sites["acme"].url == "https://acme.atlassian.net"
    assert settings.sites["acme"].secrets() == [b"current-secret", b"previous-secret"]
    assert settings.sites["acme"].zone().key == "Europe/Berlin"


def test_the_environment_wins_also_inside_groups(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROLLCALL_LISTEN", "127.0.0.1:9001")
    monkeypatch.setenv("ROLLCALL_INGEST__APPEND_TIMEOUT", "3")
    monkeypatch.setenv("ROLLCALL_SITES__ACME__TIMEZONE", "Asia/Tokyo")
    settings = load_settings(config)
    assert settings.listen == "127.0.0.1:9001"
    assert (settings.ingest.append_timeout, settings.ingest.body_limit) == (3.0, 5000)
    assert settings.sites["acme"].timezone == "Asia/Tokyo"
    assert len(settings.sites["acme"].secrets()) == 2


def test_the_file_is_named_by_variable_or_found_beside(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_settings().listen == "127.0.0.1:9000"
    other = tmp_path / "other.toml"
    other.write_text('listen = "127.0.0.1:9002"')
    monkeypatch.setenv("ROLLCALL_CONFIG", str(other))
    assert load_settings().listen == "127.0.0.1:9002"
    monkeypatch.setenv("ROLLCALL_CONFIG", str(tmp_path / "gone.toml"))
    with pytest.raises(SettingsError, match=r"gone\.toml is not there"):
        load_settings()
    with pytest.raises(SettingsError, match=r"is a folder; name the file in it, such as .*rollcall\.toml"):
        load_settings(tmp_path)


def test_without_a_file_there_are_the_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_settings().log_url == "sqlite:///var/rollcall/events.db"


def test_secrets_come_from_files(config: Path, tmp_path: Path) -> None:
    (tmp_path / "secrets").write_text("one\n\n two \n")
    (tmp_path / "token").write_text("the-token\n")
    config.write_text(site(f'webhook_secrets_file = "{tmp_path}/secrets"\napi_token_file = "{tmp_path}/token"'))
    acme = load_settings(config).sites["acme"]
    assert acme.secrets() == [b"one", b"two"]
    assert acme.token() == "the-token"


def test_a_site_without_a_secret_is_refused_unless_it_says_so(config: Path) -> None:
    assert "sites.acme: has no webhook secret" in broken(config, site(""))
    assert "unsigned = true" in broken(config, site('webhook_secrets = ["", " "]'))
    config.write_text(site("unsigned = true"))
    assert load_settings(config).sites["acme"].secrets() == []


def test_a_secret_may_be_with_another_process_alone(config: Path) -> None:
    config.write_text(site("signed_elsewhere = true"))
    assert load_settings(config).sites["acme"].signed_elsewhere
    for contradiction in ('webhook_secrets = ["s"]', "unsigned = true"):
        assert "remove one of them" in broken(config, site(f"signed_elsewhere = true\n{contradiction}"))


@pytest.mark.parametrize(
    ("text", "name", "words"),
    [
        ('listen = "here"', "listen", "write host:port"),
        ('listn = "127.0.0.1:1"', "listn", "there is no such setting"),
        ('[consumer]\nlisten = "here"', "consumer.listen", "write host:port"),
        ("[consumer]\nbatch_records = 0", "consumer.batch_records", "greater than or equal to 1"),
        ("[privacy]\nsnapshot_days = 89", "privacy", "write at least 90"),
        ("[privacy]\nsnapshot_days = 120\nclosed_days = 91", "privacy", "30 more than closed_days"),
        (site('webhook_secrets = ["s"]\ntimezone = "Mars/Base"'), "sites.acme.timezone", "no time zone"),
        (site('webhook_secrets = ["s"]\ntimezone = "../../etc/passwd"'), "sites.acme.timezone", "no time zone"),
        (site('webhook_secrets_file = "/nowhere/secret"'), "sites.acme", "webhook_secrets_file: cannot read"),
        ('[sites.acme]\nurl = "http://acme.atlassian.net"\nunsigned = true', "sites.acme.url", "must be https"),
        ('[sites.acme]\nurl = "https://a:b@acme.example"\nunsigned = true', "sites.acme.url", "must not hold a user"),
        ('[sites.acme]\nurl = "https://acme.example?"\nunsigned = true', "sites.acme.url", "must not hold a user"),
        ('[sites.acme]\nurl = "https://@acme.example"\nunsigned = true', "sites.acme.url", "must not hold a user"),
        ('[sites.acme]\nurl = "http://a:b@127.0.0.1"\nunsigned = true', "sites.acme.url", "must not hold a user"),
        ('[sites.acme]\nurl = "http://127.0.0.1/?q=1"\nunsigned = true', "sites.acme.url", "must not hold a user"),
        ('[sites.acme]\nurl = "http://[::1]/#x"\nunsigned = true', "sites.acme.url", "must not hold a user"),
        ('[sites.acme]\nurl = "https://a b"\nunsigned = true', "sites.acme.url", "must not hold blanks"),
        ('[sites.acme]\nurl = "https://acme.example\\n"\nunsigned = true', "sites.acme.url", "must not hold blanks"),
        ('[sites.acme]\nurl = "https://acme.example:99999"\nunsigned = true', "sites.acme.url", "from 1 to 65535"),
        ('[sites.acme]\nurl = "https://acme.example:x"\nunsigned = true', "sites.acme.url", "from 1 to 65535"),
        ('[sites.acme]\nurl = "https://acme.example:0"\nunsigned = true', "sites.acme.url", "from 1 to 65535"),
        ('[sites.acme]\nurl = "http://127.0.0.1:99999"\nunsigned = true', "sites.acme.url", "from 1 to 65535"),
        ('[sites.acme]\nurl = "https://[acme.example"\nunsigned = true', "sites.acme.url", "is no URL"),
        ('[sites."Big Site"]\nurl = "https://acme.example"\nunsigned = true', "sites", "cannot name a site"),
    ],
)
def test_errors_name_the_setting_and_the_remedy(config: Path, text: str, name: str, words: str) -> None:
    message = broken(config, text)
    assert f"  {name}: " in message
    assert words in message


def test_no_secret_is_repeated_in_an_error_or_a_repr(config: Path) -> None:
    message = broken(config, site('webhook_secrets = ["hush-hush-1"]\napi_token = "hush-hush-2"\ntimezone = "x"'))
    assert "hush" not in message
    config.write_text(site('webhook_secrets = ["hush-hush-1"]\napi_token = "hush-hush-2"'))
    assert "hush" not in repr(load_settings(config))


def test_no_toml(config: Path) -> None:
    assert "rollcall.toml" in broken(config, "[[[")


@pytest.mark.parametrize("path", ["/proc/self/mem", f"/{'long' * 100}.toml"])
def test_a_file_that_cannot_be_read_is_named(path: str) -> None:
    with pytest.raises(SettingsError, match=f"cannot read {path} "):
        load_settings(Path(path))


def test_plain_http_is_for_loopback_only(config: Path) -> None:
    config.write_text('[sites.acme]\nurl = "http://127.0.0.1:8090"\nunsigned = true')
    assert load_settings(config).sites["acme"].url == "http://127.0.0.1:8090"


def test_the_consumers_address_is_looked_at_before_it_is_used(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROLLCALL_CONSUMER__LISTEN", "")
    assert load_settings(config).consumer.listen == ""
    monkeypatch.setenv("ROLLCALL_CONSUMER__LISTEN", "foo")
    with pytest.raises(SettingsError, match=r"consumer\.listen: 'foo' is no address"):
        load_settings(config)


@pytest.mark.parametrize("value", ["hush-hush", "123456", '"hush-hush"', "['hush-hush']"])
def test_a_list_that_is_no_json_is_named_and_not_repeated(
    config: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("ROLLCALL_SITES__ACME__URL", "https://acme.example")
    monkeypatch.setenv("ROLLCALL_SITES__ACME__WEBHOOK_SECRETS", value)
    with pytest.raises(SettingsError) as caught:
        load_settings(config)
    assert "sites.acme.webhook_secrets" in str(caught.value)
    assert 'a list is JSON, such as ["one", "two"]' in str(caught.value)
    assert "hush" not in str(caught.value)
    assert "123456" not in str(caught.value)


def test_a_group_that_is_no_json_is_named(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROLLCALL_SITES", "acme")
    with pytest.raises(SettingsError, match="ROLLCALL_SITES cannot be read as sites: "):
        load_settings(config)


@pytest.mark.parametrize("variable", ["ROLLCALL_LISTNE", "ROLLCALL_INGEST__BODY_LIMTI", "ROLLCALL_SERVICE_HOST"])
def test_a_misspelt_variable_is_noticed(config: Path, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "1")
    with pytest.raises(SettingsError, match="there is no such setting"):
        load_settings(config)


def test_variables_of_the_test_suite_are_let_be(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("ROLLCALL_TEST_KAFKA", "ROLLCALL_REQUIRE_BROWSER", "ROLLCALL_SCREENSHOTS"):
        monkeypatch.setenv(variable, "1")
    assert load_settings(config).listen == "127.0.0.1:9000"


def test_addresses() -> None:
    assert split_address("[::1]:80") == ("::1", 80)
    for wrong in ("", "host", ":80", "host:", "host:x", "host:70000"):
        with pytest.raises(ValueError, match="is no address"):
            split_address(wrong)
