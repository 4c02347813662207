"""What clients ask, and what they get."""

import asyncio
import gzip
import json
import shutil
import subprocess
from zoneinfo import ZoneInfo

import clickhouse_connect
import httpx
import pytest

from console.checks.time_zones import Disagreement, disagreements, known_zones
from rollcall.warehouse import Warehouse

from .house import DAYS, Door


def test_ping_and_the_bare_address_say_ok(door: Door) -> None:
    assert httpx.get(f"{door.url}/ping").text == "Ok.\n"
    assert httpx.get(door.url).text == "Ok.\n"


def test_a_query_is_taken_from_body_url_and_both(door: Door) -> None:
    assert httpx.get(door.url, params={"query": "SELECT 1"}).text == "1\n"
    assert door.text("SELECT 2") == "2\n"
    assert door.text("+ 1 FORMAT CSV", query="SELECT 3") == "4\n"


def test_formats_are_the_engines_own(door: Door) -> None:
    assert door.text("SELECT 1 AS a, 'x' AS b FORMAT CSVWithNames") == '"a","b"\n1,"x"\n'
    assert door.text("SELECT 1 AS a", default_format="JSONEachRow") == '{"a":1}\n'
    assert json.loads(door.text("SELECT count() AS n FROM user_days FORMAT JSON"))["data"] == [{"n": 2 * DAYS}]
    assert door.ask("SELECT 1 AS a FORMAT Native").content == b"\x01\x01\x01a\x05UInt8\x01"
    assert door.text("SELECT number FROM numbers(3) WHERE 0 FORMAT CSVWithNames") == '"number"\n'
    assert door.text("SELECT 1 format tsv") == "1\n"


def test_an_answer_says_what_it_is(door: Door) -> None:
    headers = door.ask("SELECT number FROM numbers(3) FORMAT JSON", query_id="mine-1").headers
    assert headers["X-ClickHouse-Format"] == "JSON"
    assert headers["Content-Type"] == "application/json; charset=UTF-8"
    assert headers["X-ClickHouse-Query-Id"] == "mine-1"
    assert headers["X-ClickHouse-Timezone"]
    assert headers["X-ClickHouse-Server-Display-Name"] == "rollcall"
    assert json.loads(headers["X-ClickHouse-Summary"])["read_rows"] == "3"


def test_parameters_are_values_never_sql(door: Door) -> None:
    assert door.text("SELECT {x:String}", param_x="it's) FROM x --") == "it\\'s) FROM x --\n"
    assert door.text("SELECT {n:UInt32} + 1, {a:Array(String)}", param_n="41", param_a="['a','b']") == "42\t['a','b']\n"
    assert door.text("SELECT count() FROM {t:Identifier}", param_t="user_days") == f"{2 * DAYS}\n"
    assert door.text("SELECT count() FROM {d:Identifier}.{t:Identifier}", param_d="default", param_t="activity") == (
        f"{2 * DAYS}\n"
    )
    assert door.code("SELECT {x:String}") == 456
    assert door.code("SELECT * FROM {t:Identifier}") == 456


def test_what_clients_send_as_a_habit_is_tolerated(door: Door) -> None:
    habits = {
        "session_id": "s",
        "quota_key": "k",
        "client_protocol_version": "54405",
        "wait_end_of_query": "1",
        "send_progress_in_http_headers": "1",
        "cancel_http_readonly_queries_on_client_close": "1",
        "readonly": "1",
        "compress": "0",
        "user": "default",
        "database": "default",
        "max_execution_time": "5",
        "max_threads": "1",
        "result_overflow_mode": "throw",
        "network_compression_method": "LZ4",
    }
    assert door.text("SELECT 1", **habits) == "1\n"


def test_settings_that_change_the_look_are_followed(door: Door) -> None:
    assert door.text("SELECT toInt64(1) AS a FORMAT JSONEachRow", output_format_json_quote_64bit_integers="1") == (
        '{"a":"1"}\n'
    )
    assert door.text("SELECT toDateTime(0)", session_timezone="Asia/Tokyo") == "1970-01-01 09:00:00\n"
    assert door.text("SELECT number FROM numbers(5)", limit="2") == "0\n1\n"
    assert door.code("SELECT 1", session_timezone="Nowhere") == 36


def test_an_answer_may_end_at_its_limit_without_an_error(door: Door) -> None:
    sql = "SELECT number FROM numbers(10000000)"
    assert door.code(sql, max_result_rows="10") == 396
    rows = door.text(sql, max_result_rows="10", result_overflow_mode="break").count("\n")
    assert 10 <= rows < 1_000_000


@pytest.mark.parametrize("encoding", ["gzip", "zstd", "lz4", "deflate"])
def test_compression_is_done_when_asked_for(door: Door, encoding: str) -> None:
    asked = {"query": "SELECT number FROM numbers(1000)", "enable_http_compression": "1"}
    with httpx.stream("GET", door.url, params=asked, headers={"Accept-Encoding": encoding}) as answer:
        raw = b"".join(answer.iter_raw())
    assert answer.headers["Content-Encoding"] == encoding
    assert len(raw) < 3890
    if encoding == "gzip":
        assert gzip.decompress(raw).endswith(b"\n999\n")


def test_compression_is_not_done_otherwise(door: Door) -> None:
    assert (
        "Content-Encoding" not in httpx.post(door.url, content="SELECT 1", headers={"Accept-Encoding": "gzip"}).headers
    )
    url = f"{door.url}/?enable_http_compression=1"
    assert (
        "Content-Encoding"
        not in httpx.post(url, content="SELECT 1", headers={"Accept-Encoding": "br, gzip;q=0"}).headers
    )


def test_the_check_of_time_zones_comes_through(door: Door) -> None:
    """As beside `up`, whose files nobody else may open."""
    warehouse = Warehouse(lambda: clickhouse_connect.get_client(host="127.0.0.1", port=door.port, compress=False))

    async def compared() -> tuple[set[str], dict[str, Disagreement | None]]:
        try:
            known = await known_zones(warehouse, ["Asia/Tokyo", "Acme/Office"])
            return known, await disagreements(warehouse, {"Asia/Tokyo": ZoneInfo("Asia/Tokyo"), "UTC": ZoneInfo("UTC")})
        finally:
            await warehouse.close()

    assert asyncio.run(compared()) == ({"Asia/Tokyo"}, {"Asia/Tokyo": None, "UTC": None})


def test_clickhouse_connect_reads_the_rollup(door: Door) -> None:
    with clickhouse_connect.get_client(host="127.0.0.1", port=door.port) as client:
        result = client.query(
            "SELECT day, account_id, comment FROM user_days WHERE account_id = {who:String} ORDER BY day",
            parameters={"who": "anna"},
        )
        assert [str(row[0]) for row in result.result_rows[:2]] == ["2026-01-01", "2026-01-02"]
        assert len(result.result_rows) == DAYS
        assert all(row[1:] == ("anna", True) for row in result.result_rows)
        assert int(result.summary["result_rows"]) == DAYS
        assert client.query("SELECT * FROM user_days LIMIT 0").column_names[:3] == ("site", "day", "account_id")
        assert client.query("SELECT {s:String}", parameters={"s": "é'\\\n\t"}).result_rows == [("é'\\\n\t",)]
        assert client.query("SELECT length({s:String})", parameters={"s": "z" * 100_000}).result_rows == [(100_000,)]
        assert client.command("EXISTS TABLE user_days") == 1
        assert client.ping()
        with client.query_row_block_stream("SELECT number FROM numbers(300000)") as blocks:
            assert sum(len(block) for block in blocks) == 300_000


def test_comments_may_stand_before_any_statement(door: Door) -> None:
    for comment in ("-- one\n", "/* one */", " /* * / one **/\n-- two\n/**/ "):
        assert door.text(f"{comment}SELECT 1") == "1\n"
        assert door.text(f"{comment}EXISTS TABLE user_days") == "1\n"
        assert door.text(f"{comment}EXISTS DATABASE default") == "1\n"
        assert door.text(f"{comment}DESCRIBE user_days").startswith("site\t")
        assert "user_days" in door.text(f"{comment}SHOW TABLES")


def test_many_comments_are_read_at_once(door: Door) -> None:
    assert door.text("/**/" * 20_000 + "SELECT 1") == "1\n"


def test_rows_of_literals_stand_in_for_a_table(door: Door) -> None:
    """As the JDBC driver asks for the types."""
    assert (
        door.text("SELECT * FROM VALUES (('a', 1, true), ('b', -2, false)) ORDER BY c1") == "a\t1\ttrue\nb\t-2\tfalse\n"
    )
    assert door.text("SELECT c1 FROM values(('a', 1))") == "a\n"
    for rows in ("'a String', 'x'", "('a', 1), 'b'", "('a', 1), file('x')", "tuple(hostName())", "(1, hostName())"):
        assert door.code(f"SELECT * FROM VALUES ({rows})") == 497


def test_bi_tools_can_look_around(door: Door) -> None:
    assert "user_days" in door.text("SHOW TABLES")
    assert "default" in door.text("SHOW DATABASES")
    assert "account_id\tString" in door.text("SHOW COLUMNS FROM user_days")
    assert door.text("DESCRIBE TABLE user_days").startswith("site\t")
    assert door.text("DESC default.user_days FORMAT JSONEachRow").startswith('{"name":"site"')
    assert door.text("DESCRIBE (SELECT 1 AS a)").startswith("a\tUInt8")
    assert door.text("SHOW CREATE VIEW user_days").startswith("CREATE VIEW")
    assert door.text("EXISTS TABLE nothing_of_the_kind") == "0\n"
    assert door.text("EXISTS VIEW user_days FORMAT JSONEachRow") == '{"result":1}\n'
    assert door.text("EXISTS VIEW sites") == "0\n"
    assert door.text("EXISTS DATABASE default") == "1\n"
    for name in ("system", "elsewhere"):  # as system.databases lists them to readers
        assert door.text(f"EXISTS DATABASE {name}") == "0\n"
    assert "PRIMARY" in door.text("SHOW INDEXES FROM activity")
    assert len(door.text("SELECT * FROM system.tables LIMIT 1").split("\t")) >= 43
    assert door.text("SELECT engine FROM system.tables AS t WHERE t.name = 'user_days'") == "View\n"
    assert "families" in door.text("SELECT name FROM system.columns WHERE table = 'user_days'")
    assert door.text("SELECT name FROM system.databases") == "default\n"
    assert "user_days" in door.text("SELECT table_name FROM information_schema.tables WHERE table_schema = 'default'")
    assert door.text("SELECT displayName(), timezone() != ''") == "rollcall\t1\n"
    assert "ReadFromMergeTree" in door.text("EXPLAIN SELECT * FROM activity")


def test_settings_are_shown_as_far_as_they_can_be_asked_for(door: Door) -> None:
    shown = set(door.text("SELECT name FROM system.settings").split())
    assert {"join_use_nulls", "max_execution_time", "readonly"} <= shown
    assert not {name for name in shown if "path" in name or "password" in name or "s3" in name}


@pytest.mark.parametrize(
    "sql",
    [
        "WITH a AS (SELECT 1 AS x), b AS (SELECT x + 1 AS x FROM a) SELECT * FROM b UNION ALL SELECT * FROM a",
        "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 3) SELECT sum(n) FROM r",
        "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM (SELECT n FROM r WHERE n IN r) WHERE n < 3) "
        "SELECT max(n) FROM r",
        "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL (WITH x AS (SELECT n FROM r) SELECT n + 1 FROM x WHERE n < 3 "
        "UNION DISTINCT SELECT n + 1 FROM r WHERE n < 3)), s AS (SELECT n FROM r) SELECT * FROM s",
        "SELECT account_id, countIf(comment) OVER (PARTITION BY site ORDER BY day ROWS 3 PRECEDING) FROM user_days",
        "SELECT * EXCEPT (site) REPLACE (lower(account_id) AS account_id) APPLY (toString) FROM user_days",
        "SELECT u.*, COLUMNS('^d') FROM user_days AS u ANY LEFT JOIN accounts AS a USING (site, account_id)",
        "SELECT uniqExactIf(account_id, comment), quantile(0.5)(families), SUM(families), Max(day) FROM user_days",
        "SELECT site IN (SELECT site FROM sites), day IN {days:Array(Date)} FROM user_days LIMIT 1 BY site",
        "SELECT arrayMap((x, y) -> x + y, [1], [2]), CASE WHEN 1 THEN 'a' ELSE 'b' END, 1::UInt8, INTERVAL 1 DAY",
        "SELECT * FROM user_usage(days = 30) ORDER BY name NULLS LAST COLLATE 'de' LIMIT 3",
        "SELECT day, count() FROM user_days GROUP BY day WITH TOTALS HAVING count() > 0 ORDER BY day WITH FILL",
        "SELECT a FROM (SELECT 1 AS a) ARRAY JOIN [1, 2] AS n SETTINGS_ALIAS",
        "(SELECT 1) EXCEPT (SELECT 2)",
        "SELECT 1 IN a, 1 IN t.a, 1 NOT IN (a) FROM (SELECT [1, 2] AS a) AS t",
        "WITH (SELECT 1) AS s, x AS (SELECT s AS n) SELECT n FROM x, system.one",
        "WITH c AS (SELECT 1) SELECT 1 IN c",
        "SELECT {column:Identifier} FROM user_days LIMIT 1",
        "SELECT * FROM (VALUES (1, 'a'), (2, 'b')) AS t",
        "SELECT site, grouping(site) FROM user_days GROUP BY GROUPING SETS ((site), ())",
        "SELECT '\\0\\n\\'', 1e30, nan, 18446744073709551615, NULL, $$x$$, [1, 2][1], (1, 'a').2 -- the end",
    ],
)
def test_sql_is_not_cut_down(door: Door, sql: str) -> None:
    assert door.text(sql.replace("SETTINGS_ALIAS", "WHERE n > 0"), param_days="['2026-01-01']", param_column="day")


def test_bytes_that_are_no_text_pass_through(door: Door) -> None:
    assert door.ask(b"SELECT '\xff\xfe'").content == b"\xff\xfe\n"


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_works(door: Door) -> None:
    run = subprocess.run(
        ["curl", "-sS", "--fail", "-d", "SELECT count() FROM user_days", f"{door.url}/?default_format=CSV"],
        capture_output=True,
        check=True,
        timeout=30,
    )
    assert run.stdout == f"{2 * DAYS}\n".encode()


@pytest.mark.parametrize(
    ("sql", "answer"),
    [
        ("SELECT count() > 0 FROM activity WHERE 'anna' IN account_id", "1"),
        ("SELECT count() FROM sites WHERE 'nobody' IN sites.site", "0"),
        ("SELECT 2 IN a FROM (SELECT [1, 2] AS a)", "1"),
        ("SELECT (1, 2) IN t FROM (SELECT [(1, 2)] AS t)", "1"),
        ("WITH (1, 2) AS s SELECT 2 IN s, 3 IN s", "1\t0"),
        ("WITH [1, 2] AS s SELECT number IN s FROM numbers(2)", "0\n1"),
        ("WITH (SELECT groupArray(number) FROM numbers(3)) AS s SELECT 2 IN s", "1"),
        ("WITH x AS (SELECT 1) SELECT 1 IN x, 2 NOT IN x", "1\t1"),
        ("SELECT arrayFilter(x -> 1 IN x, [[1], [2]])", "[[1]]"),
        ("SELECT arrayFilter(x -> x IN (b, 5), [1, 5, 6]) FROM (SELECT 1 AS b)", "[1,5]"),
        ("SELECT count() > 0 FROM user_days WHERE site GLOBAL IN sites", None),
    ],
)
def test_what_stands_right_of_in_means_what_it_means_to_the_engine(door: Door, sql: str, answer: str | None) -> None:
    if answer is None:
        # A table right of IN; this one has more than one column, which only the engine can tell.
        assert door.code(sql) == 20
    else:
        assert door.text(sql) == answer + "\n"
