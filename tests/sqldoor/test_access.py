"""Who is let in: tokens, and no web pages of others."""

import base64
import socket
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import Mock, call

import httpx
import pytest
from pydantic import SecretStr

from console.sqldoor import create_door
from console.sqldoor.door_token import door_token
from rollcall.errors import SettingsError
from rollcall.http.guard import MOST_FAILURES
from rollcall.settings import Settings
from rollcall.warehouse.engines import Embedded

from .house import Door, House

TOKEN = "a tökén"
Q = {"query": "SELECT 1"}


@pytest.fixture  # one for each test: wrong tokens are counted
def guarded(house: House) -> Iterator[Door]:
    with house.door(listen="0.0.0.0:8123", token=TOKEN, control_token="control") as door:
        yield door


def basic(user: str, password: str) -> bytes:
    return b"Basic " + base64.b64encode(f"{user}:{password}".encode())


@pytest.mark.parametrize("listen", ["0.0.0.0:8123", "[::]:8123", "192.0.2.1:8123", "db.example:8123"])
def test_a_door_to_other_machines_needs_a_token(listen: str) -> None:
    with pytest.raises(SettingsError, match="sql_listen"):
        create_door(Embedded(Path("/nowhere")), listen=listen)
    with pytest.raises(SettingsError, match="sql_listen"):
        create_door(Embedded(Path("/nowhere")), listen=listen, control_token="control")
    with pytest.raises(SettingsError, match="sql_listen"):
        create_door(Embedded(Path("/nowhere")), listen=listen, unprotected=True)


def test_on_loopback_too_unless_it_is_opened_in_so_many_words() -> None:
    with pytest.raises(SettingsError, match="sql_unprotected"):
        create_door(Embedded(Path("/nowhere")), listen="127.0.0.1:8123", control_token="control")


def test_a_token_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    settings = Settings.model_validate({"warehouse_url": f"chdb://{tmp_path}/made/warehouse"})
    made = door_token(settings)
    assert len(made) == 43
    assert door_token(settings) == made
    path = tmp_path / "made" / "sql_token"
    assert path.read_text() == f"{made}\n"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]
    assert door_token(settings.model_copy(update={"sql_token": SecretStr("of the settings")})) == "of the settings"
    assert door_token(settings.model_copy(update={"sql_unprotected": True})) == ""
    path.write_text("")
    with pytest.raises(SettingsError, match="empty"):
        door_token(settings)


def test_guessing_is_slowed_down_and_told_with_the_address(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    told = Mock()
    monkeypatch.setattr("console.sqldoor.door_token.log", told)
    with house.door(token=TOKEN, control_token="control") as door:
        for _ in range(3):
            assert httpx.get(door.url, params=Q).status_code == 401, "who brings none guesses nothing"
        for guess in range(MOST_FAILURES):
            assert httpx.get(door.url, params=Q, auth=("default", f"guess {guess}")).status_code == 401
        slowed = httpx.get(door.url, params=Q, headers=[(b"authorization", f"Bearer {TOKEN}".encode())])
        assert slowed.status_code == 401, "the right one does not help now"
        assert "wait" in slowed.text
        assert httpx.get(door.url, params=Q, auth=("default", "control")).text == "1\n", "our own commands go on"
    assert told.warning.mock_calls == [call("wrong token at the SQL door", client="127.0.0.1")] * MOST_FAILURES


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": f"Bearer {TOKEN}".encode()},
        {"Authorization": basic("default", TOKEN)},
        {"Authorization": basic("anybody", TOKEN)},
        {"Authorization": basic("default", "control")},
        {"X-ClickHouse-User": b"default", "X-ClickHouse-Key": TOKEN.encode()},
    ],
)
def test_the_token_opens_in_every_way_that_clickhouse_knows(guarded: Door, headers: dict[str, bytes]) -> None:
    answer = httpx.get(guarded.url, params=Q, headers=[(name.encode(), value) for name, value in headers.items()])
    assert answer.text == "1\n"


def test_the_token_opens_in_the_url(guarded: Door) -> None:
    assert guarded.text("SELECT 1", user="default", password=TOKEN) == "1\n"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": b"Bearer"},
        {"Authorization": b"Bearer wrong"},
        {"Authorization": b"Basic %%%"},
        {"Authorization": basic("default", "")},
        {"Authorization": basic(TOKEN, "wrong")},
        {"Authorization": b"Digest x"},
        {"X-ClickHouse-Key": TOKEN.encode()[:-1]},
        {"X-ClickHouse-Key": b"\xff"},
    ],
)
def test_nothing_else_opens(guarded: Door, headers: dict[str, bytes]) -> None:
    answer = httpx.get(guarded.url, params=Q, headers=[(name.encode(), value) for name, value in headers.items()])
    assert (answer.status_code, answer.headers["X-ClickHouse-Exception-Code"]) == (401, "516")
    assert answer.headers["WWW-Authenticate"].startswith("Basic")
    assert guarded.code("SELECT 1", password="wrong") == 516


def test_whether_the_door_lives_is_no_secret(guarded: Door) -> None:
    assert httpx.get(f"{guarded.url}/ping").text == "Ok.\n"


def test_an_unprotected_door_asks_nobody(door: Door) -> None:
    assert httpx.get(door.url, params=Q, auth=("default", "whatever")).text == "1\n"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:8123", "[::1]:8123", "127.9.9.9", "LOCALHOST"])
def test_loopback_names_are_served(door: Door, host: str) -> None:
    assert httpx.get(door.url, params=Q, headers={"Host": host}).text == "1\n"


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example:8123",
        "192.0.2.1",
        "",
        "[",
        "a@b:c",
        "x@127.0.0.1",
        "127.0.0.1/x",
    ],
)
def test_a_name_that_points_here_is_not_enough(door: Door, host: str) -> None:
    for path in ("/", "/ping"):
        assert httpx.get(door.url + path, params=Q, headers={"Host": host}).status_code in (400, 403)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "http://["},
        {"Origin": "http://127.0.0.1:8080"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_pages_of_others_get_nothing(door: Door, guarded: Door, headers: dict[str, str]) -> None:
    for one in (door, guarded):
        for method in ("GET", "POST"):
            answer = httpx.request(method, one.url, params=Q, headers=headers, auth=("default", "control"))
            assert answer.status_code == 403
            assert "access-control-allow-origin" not in answer.headers


def test_on_loopback_a_token_does_not_open_other_names(house: House) -> None:
    with house.door(token=TOKEN) as door:
        answer = httpx.get(door.url, params=Q, headers={"Host": "evil.example"}, auth=("default", TOKEN))
        assert (answer.status_code, answer.text) == (403, "This Host is not served here: use 127.0.0.1 or localhost\n")


def test_where_other_machines_ask_any_name_is_served(guarded: Door) -> None:
    headers = {"Host": "db.example:8123", "Origin": "http://db.example:8123"}
    assert httpx.get(guarded.url, params=Q, headers=headers, auth=("default", TOKEN)).text == "1\n"


def test_our_own_origin_and_the_address_bar_are_served(door: Door) -> None:
    assert httpx.get(door.url, params=Q, headers={"Origin": door.url}).text == "1\n"
    assert httpx.get(door.url, params=Q, headers={"Sec-Fetch-Site": "none"}).text == "1\n"


@pytest.mark.parametrize(
    "header",
    [
        {"Forwarded": "for=192.0.2.1"},
        {"Via": "1.1 proxy"},
        {"X-Forwarded-For": "192.0.2.1"},
        {"X-Forwarded-Host": "rollcall.example"},
        {"X-Forwarded-Proto": "https"},
        {"X-Real-IP": "192.0.2.1"},
        {"X-Forwarded-Prefix": "/"},
    ],
)
def test_what_a_proxy_passed_on_needs_a_token(door: Door, guarded: Door, header: dict[str, str]) -> None:
    for path in ("/", "/ping"):
        assert httpx.get(door.url + path, params=Q, headers=header).status_code == 403
    assert httpx.get(guarded.url, params=Q, headers=header, auth=("default", TOKEN)).text == "1\n"


def test_http_1_0_counts_as_passed_on(door: Door) -> None:
    with socket.create_connection(("127.0.0.1", door.port), timeout=10) as client:
        client.sendall(b"GET /?query=SELECT+1 HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")
        assert b" 403 " in client.recv(100)


def test_on_loopback_a_token_lets_a_proxy_pass_requests_on(house: House) -> None:
    with house.door(token=TOKEN) as door:
        headers = {"X-Forwarded-For": "192.0.2.1"}
        assert httpx.get(door.url, params=Q, headers=headers).status_code == 401
        assert httpx.get(door.url, params=Q, headers=headers, auth=("default", TOKEN)).text == "1\n"


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "HEAD", "PATCH"])
def test_other_methods_are_refused(door: Door, method: str) -> None:
    assert httpx.request(method, door.url, params=Q).status_code == 405


def test_other_paths_are_not_there(door: Door) -> None:
    assert httpx.get(f"{door.url}/play").status_code == 404


def test_requests_that_cannot_be_read_are_refused(door: Door) -> None:
    def code(**request: object) -> str:
        answer = httpx.post(door.url, **request)  # type: ignore[arg-type]  # values of many types
        return answer.headers["X-ClickHouse-Exception-Code"]

    assert code(content=b"x", headers={"Content-Encoding": "br"}) == "48"
    assert code(files={"t": b"1"}, params=Q) == "48"
    assert code(content=b"no form", headers={"Content-Type": "multipart/form-data; boundary=x"}) == "36"


def test_no_query_text_is_logged(door: Door, capfd: pytest.CaptureFixture[str]) -> None:
    for sql in (
        "SELECT 'hush-hush' FROM nothing",
        "SELECT toDate('hush-hush')",
        "SELECT 'hush-hush",
        "DROP TABLE hush",
    ):
        door.code(sql, param_x="hush-hush", query_id="hush")
    out, err = capfd.readouterr()
    assert "hush" not in out + err


def test_no_number_is_too_long(door: Door) -> None:
    for name in ("max_execution_time", "client_protocol_version", "max_rows_to_read", "param_n", "max_threads"):
        for value in ("9" * 5000, "-" + "9" * 5000, "٤" * 50):
            answer = httpx.get(door.url, params={**Q, name: value})
            assert answer.status_code in (200, 400, 500), (name, answer.text[:300])
            assert answer.status_code == 200 or answer.text.startswith("Code: "), (name, answer.text[:300])


def test_nobody_is_led_to_the_host_that_was_asked_for(guarded: Door) -> None:
    answer = httpx.get(f"{guarded.url}/ping/", headers={"host": "evil.example"})
    assert (answer.status_code, answer.headers.get("location")) == (404, None)
