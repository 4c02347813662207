"""Who reads a running `up` without any secret in its settings: nobody without the address or the token it has made."""

import json
from collections.abc import Iterator

import httpx
import pytest

from .installation import Installation
from .webhooks import comment_created


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    running = Installation(tmp_path_factory.mktemp("readers"))
    running.start()
    running.wait_for("/readyz")
    yield running
    assert running.stop() == 0, running.output


def test_the_page_opens_by_the_printed_address_alone(up: Installation) -> None:
    assert httpx.get(up.url).status_code == 303
    with httpx.Client() as viewer:
        assert viewer.get(up.sign_in_address).headers["location"] == "/"
        assert "No webhook has" in viewer.get(up.url).text
    assert httpx.get(up.sign_in_address).status_code == 403


def test_the_door_opens_by_the_token_it_made(up: Installation) -> None:
    url = f"http://127.0.0.1:{up.sql_port}"
    assert httpx.post(url, content="SELECT 1").status_code == 401
    assert up.sql("SELECT 1").text == "1\n"
    assert (up.folder / "sql_token").stat().st_mode & 0o777 == 0o600
    assert up.sql_token not in up.output


def test_query_asks_through_up_and_without_it(up: Installation) -> None:
    assert up.post(comment_created(1)[1]) == 204
    up.wait_until_written()
    statement = "SELECT site, comment, toInt64(1) AS one, [1, 2] AS list, NULL AS nothing FROM user_days"
    for running in (True, False):
        if not running:
            assert up.stop() == 0, up.output
        [row] = json.loads(up.run("query", statement, "--format", "json").stdout)
        assert row == {"site": "acme", "comment": True, "one": 1, "list": [1, 2], "nothing": None}
        assert up.run("query", "SELECT 1 AS a, 'b;' AS b", "--format", "csv").stdout == "a,b\n1,b;\n"
        assert up.run("query", "SELECT 1 AS a FORMAT TSVWithNames").stdout == "a\n1\n"
        assert up.run("query", "SELECT 1 AS a WHERE 0", "--format", "json").stdout == "[]\n"
        for refused in ("DROP TABLE activity", "SELECT file('/etc/passwd')", "nonsense"):
            done = up.run("query", refused, check=False)
            assert (done.returncode, done.stdout) == (1, "")
            assert "DB::Exception" in done.stderr
            assert "Traceback" not in done.stderr


def test_check_says_what_is_open(up: Installation) -> None:
    def wrong() -> set[str]:
        found = json.loads(up.run("check", "--local", "--format", "json", check=False).stdout)
        return {row["subject"] for row in found if not row["ok"]}

    assert not {"page", "SQL door"} & wrong()
    up.config.write_text(f"sql_unprotected = true\npage.unprotected = true\n{up.config.read_text()}")
    assert {"page", "SQL door"} <= wrong()
