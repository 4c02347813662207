"""Settings in a statement: limits that are lowered, how an answer looks, and Grafana's ad-hoc filters."""

import pytest

from .house import DAYS, Door

READONLY, CONSTRAINT, SYNTAX, UNKNOWN_HERE, BAD_ARGUMENTS = 164, 452, 62, 48, 36
DENIED, NO_FUNCTION, TOO_MANY, TOO_MANY_TO_SORT = 497, 46, 396, 396
FILTERS = "additional_table_filters"


def clause(table: str, filtered: str) -> str:
    """As Grafana writes it."""
    text = filtered.replace("\\", "\\\\").replace("'", "\\'")
    return f"{{'{table}' : ' {text} '}}"


@pytest.mark.parametrize(
    ("sql", "answer"),
    [
        ("SELECT 1 SETTINGS max_threads = 1", "1\n"),
        ("SELECT 1 SETTINGS max_threads = 1, max_memory_usage = 100000000, max_bytes_to_read = 1e6", "1\n"),
        ("SELECT 1 SETTINGS readonly = 1, max_block_size = 100, result_overflow_mode = 'throw'", "1\n"),
        ("SELECT * FROM (SELECT 1 SETTINGS max_threads = 1) SETTINGS max_threads = 2", "1\n"),
        ("WITH x AS (SELECT 1 SETTINGS max_threads = 1) SELECT * FROM x", "1\n"),
        ("SELECT 1 UNION ALL SELECT 1 SETTINGS limit = 1", "1\n"),
        (
            "SELECT toUInt64(1) AS n FORMAT JSONEachRow SETTINGS output_format_json_quote_64bit_integers = 1",
            '{"n":"1"}\n',
        ),
        (
            "SELECT toUInt64(1) AS n SETTINGS output_format_json_quote_64bit_integers = 1 FORMAT JSONEachRow",
            '{"n":"1"}\n',
        ),
        ("SELECT toDateTime(0) SETTINGS session_timezone = 'Asia/Tokyo'", "1970-01-01 09:00:00\n"),
        ("EXISTS TABLE sites SETTINGS max_threads = 1", "1\n"),
        ("SHOW TABLES LIKE 'sites' SETTINGS max_threads = 1", "sites\n"),
        ("EXPLAIN SYNTAX SELECT 1 SETTINGS max_threads = 1", "SELECT 1\\nFROM system.one\n"),
    ],
)
def test_what_lowers_or_looks_may_stand_in_a_statement(door: Door, sql: str, answer: str) -> None:
    assert door.text(sql) == answer


def test_a_lowered_limit_holds(door: Door) -> None:
    """A clause, as the engine has it, counts before what the URL says."""
    rows = "SELECT number FROM numbers(1000) SETTINGS max_result_rows = 10"
    assert door.code(rows) == TOO_MANY
    assert door.code(rows, max_result_rows="1000") == TOO_MANY
    assert (
        door.code("SELECT number FROM numbers(1000) ORDER BY -number SETTINGS max_rows_to_sort = 9") == TOO_MANY_TO_SORT
    )
    assert door.code("SELECT count() FROM (SELECT number FROM numbers(10) SETTINGS max_result_rows = 0)") == CONSTRAINT
    assert door.code("SELECT number FROM (SELECT number FROM numbers(10) SETTINGS max_result_rows = 5)") == TOO_MANY
    assert (
        door.text(
            "SELECT count() FROM (SELECT number FROM numbers(1000)) SETTINGS max_result_rows = 10, "
            "result_overflow_mode = 'break'"
        )
        == "1000\n"
    )


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("SELECT 1 SETTINGS max_threads = 1000", CONSTRAINT),
        ("SELECT 1 SETTINGS max_memory_usage = 0", CONSTRAINT),
        ("SELECT 1 SETTINGS max_execution_time = 0", CONSTRAINT),
        ("SELECT * FROM (SELECT 1 SETTINGS max_memory_usage = 0)", CONSTRAINT),
        ("SELECT * FROM (SELECT 1 SETTINGS max_threads = 99) SETTINGS max_threads = 1", CONSTRAINT),
        ("SELECT 1 SETTINGS max_rows_to_sort = 0", CONSTRAINT),
        ("SELECT 1 SETTINGS max_threads = 'many'", BAD_ARGUMENTS),
        ("SELECT 1 SETTINGS max_threads = DEFAULT", READONLY),
        ("SELECT 1 SETTINGS max_threads = 1, readonly = DEFAULT", READONLY),
        ("SELECT 1 SETTINGS param_x = 'y'", READONLY),
        ("SELECT 1 SETTINGS readonly = 0", READONLY),
        ("SELECT 1 FORMAT JSON SETTINGS readonly = 0", READONLY),
        ("EXPLAIN SELECT 1 SETTINGS readonly = 0", READONLY),
        ("SHOW TABLES SETTINGS readonly = 0", READONLY),
        ("SELECT 1 SETTINGS read_overflow_mode = 'break'", READONLY),
        ("SELECT 1 SETTINGS nonsense = 1", READONLY),
        ("SELECT * FROM (SELECT 1 SETTINGS limit = 1)", READONLY),
        ("SELECT 1 SETTINGS limit = 1 UNION ALL SELECT 2", READONLY),
        (f"SELECT * FROM (SELECT * FROM sites SETTINGS {FILTERS} = {clause('sites', '1')})", READONLY),
    ],
)
def test_what_loosens_or_is_unknown_is_refused(door: Door, sql: str, code: int) -> None:
    assert door.code(sql) == code


@pytest.mark.parametrize("table", ["activity", "default.activity"])
@pytest.mark.parametrize(
    ("filtered", "rows"),
    [
        ("account_id = 'anna'", DAYS),
        ("account_id IN ('anna', 'nobody')", DAYS),
        ("account_id NOT IN ('anna')", DAYS),
        ("account_id LIKE 'a%' OR match(account_id, '^be')", 2 * DAYS),
        ("NOT account_id ILIKE '%N%'", 0),
        ("account_id = 'o\\'brien'", 0),
        ("(account_id, family) IN (('anna', 'comment'))", DAYS),
        ("has(fields, 'status')", 0),
        ("occurred_at >= '2026-01-11' AND account_id != 'ben'", DAYS - 10),
    ],
)
def test_ad_hoc_filters_of_grafana(door: Door, table: str, filtered: str, rows: int) -> None:
    given = clause(table, filtered)
    for sql in (
        f"SELECT count() FROM activity settings {FILTERS}={given}",
        f"SELECT count() FROM activity FORMAT TSV SETTINGS {FILTERS}={given}, max_threads = 1",
        f"SELECT count() FROM (SELECT * FROM activity) AS a SETTINGS {FILTERS} = {given}",
    ):
        assert door.text(sql) == f"{rows}\n"
    assert door.text("SELECT count() FROM activity", **{FILTERS: given}) == f"{rows}\n"


def test_filters_of_several_tables_and_of_views(door: Door) -> None:
    given = "{'activity': 'account_id = \\'anna\\'', 'user_days': 'account_id = \\'ben\\''}"
    for name, who in (("activity", "anna"), ("user_days", "ben")):
        assert door.text(f"SELECT DISTINCT account_id FROM {name}", **{FILTERS: given}) == f"{who}\n"
    own = clause("user_days", "account_id = 'anna'")
    assert door.text(f"SELECT DISTINCT account_id FROM user_days SETTINGS {FILTERS} = {own}", **{FILTERS: given}) == (
        "anna\n"
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "x",
        "'{}'",
        "[1]",
        "{'sites': 1}",
        "{1: '1'}",
        "{'sites': '1'",
        "{'sites': '1'}, readonly = 0",
        "{'sites': '1'}, readonly = DEFAULT",
        "{'sites': '1'} FORMAT CSV",
        "{'sites': '1'} INTO OUTFILE '/tmp/sqldoor-out'",
        "{'sites': '1'} UNION ALL SELECT * FROM sites",
        "{'sites': '1'}; DROP TABLE sites",
        "{'sites': concat('1', '')}",
        "{'sites': {x:String}}",
        "{" + ", ".join(f"'t{n}': '1'" for n in range(17)) + "}",
    ],
)
def test_what_is_no_map_of_filters_is_refused(door: Door, text: str) -> None:
    if text:
        assert door.code("SELECT * FROM sites", **{FILTERS: text}) in (BAD_ARGUMENTS, SYNTAX, READONLY, UNKNOWN_HERE)
    assert door.code("SELECT * FROM sites SETTINGS additional_table_filters = 1") == BAD_ARGUMENTS


@pytest.mark.parametrize(
    ("filtered", "code"),
    [
        ("1, 2", SYNTAX),
        ("1 FROM sites", SYNTAX),
        ("1 WHERE 1", SYNTAX),
        ("DISTINCT 1", SYNTAX),
        ("1 SETTINGS readonly = 0", SYNTAX),
        ("1 FORMAT CSV", SYNTAX),
        ("1 INTO OUTFILE '/tmp/sqldoor-out'", SYNTAX),
        ("1; SELECT 2", SYNTAX),
        ("1) UNION ALL (SELECT 2", SYNTAX),
        ("1 UNION ALL SELECT 2", SYNTAX),
        ("(SELECT 1)", UNKNOWN_HERE),
        ("exists(SELECT 1 FROM sites)", UNKNOWN_HERE),
        ("site IN (SELECT site FROM sites)", UNKNOWN_HERE),
        ("site IN sites", UNKNOWN_HERE),
        ("in(site, sites)", UNKNOWN_HERE),
        ("IN(site, sites)", UNKNOWN_HERE),
        ("site GLOBAL NOT IN activity_in", UNKNOWN_HERE),
        ("site IN `/etc/passwd`", UNKNOWN_HERE),
        ("inIgnoreSet(site, `/etc/passwd`)", NO_FUNCTION),
        ("sum(1) OVER ()", UNKNOWN_HERE),
        ("site = {x:String}", UNKNOWN_HERE),
        ("{x:Identifier} = 1", UNKNOWN_HERE),
        ("COLUMNS('.*') = 1", UNKNOWN_HERE),
        ("*", UNKNOWN_HERE),
        ("file('/etc/passwd') != ''", NO_FUNCTION),
        ("throwIf(1, file('/etc/passwd'))", NO_FUNCTION),
        ("arrayExists(x -> file(x) != '', ['/etc/passwd'])", NO_FUNCTION),
        ("sleep(1)", NO_FUNCTION),
        ("dictGet('d', 'a', 1) = 1", NO_FUNCTION),
        ("arrayReduce('aggThrow(1)', [1]) = 1", NO_FUNCTION),
        ("editDistance(site, 'a') = 1", NO_FUNCTION),
        ("system.processes.query = ''", DENIED),
        ("-0.0 = 1", UNKNOWN_HERE),
    ],
)
def test_a_filter_is_checked_like_the_statement(door: Door, filtered: str, code: int) -> None:
    given = clause("sites", filtered)
    assert door.code(f"SELECT * FROM sites SETTINGS {FILTERS} = {given}") == code
    assert door.code("SELECT * FROM sites", **{FILTERS: given}, param_x="site") == code
    assert door.code("SELECT 1", **{FILTERS: clause("nowhere", filtered)}, param_x="site") == code
