"""What is refused: writing, files, networks, settings, and looking into the process."""

from pathlib import Path

import pytest

from console.sqldoor import allowlist
from rollcall.warehouse import Warehouse

from ..deploy.files import READABLE
from .house import Door, House

READONLY, DENIED, NO_TABLE, NO_FUNCTION, SYNTAX, UNKNOWN_HERE, NO_DATABASE = 164, 497, 60, 46, 62, 48, 81

WRITES = [
    "INSERT INTO activity (site) VALUES ('x')",
    "INSERT INTO activity SELECT * FROM activity",
    "INSERT INTO FUNCTION file('x.csv') SELECT 1",
    "INSERT INTO activity FROM INFILE '/etc/passwd' FORMAT LineAsString",
    "CREATE TABLE t (a Int8) ENGINE = Memory",
    "CREATE TEMPORARY TABLE t (a Int8)",
    "CREATE VIEW v AS SELECT 1",
    "CREATE FUNCTION f AS x -> x",
    "CREATE DICTIONARY d (a UInt8) PRIMARY KEY a SOURCE(FILE(path '/etc/passwd' format 'CSV')) LAYOUT(FLAT())",
    "CREATE USER u",
    "CREATE NAMED COLLECTION c AS a = 1",
    "DROP TABLE activity",
    "DROP VIEW user_days",
    "TRUNCATE TABLE activity",
    "DETACH TABLE activity",
    "ATTACH TABLE x FROM '/tmp/x' (a Int8) ENGINE = Log",
    "RENAME TABLE activity TO x",
    "EXCHANGE TABLES activity AND sites",
    "ALTER TABLE activity DELETE WHERE 1",
    "ALTER USER default SETTINGS readonly = 0",
    "DELETE FROM activity WHERE 1",
    "UPDATE activity SET site = '' WHERE 1",
    "OPTIMIZE TABLE activity",
    "CHECK TABLE activity",
    "GRANT ALL ON *.* TO default",
    "SET readonly = 0",
    "SET max_threads = 1",
    "SET ROLE NONE",
    "USE system",
    "KILL QUERY WHERE 1",
    "SYSTEM FLUSH LOGS",
    "SYSTEM SHUTDOWN",
    "BACKUP DATABASE default TO File('/tmp/b')",
    "RESTORE DATABASE default FROM File('/tmp/b')",
    "EXECUTE AS default SELECT 1",
    "BEGIN TRANSACTION",
    "SHOW PROCESSLIST",
    "SHOW SETTINGS LIKE '%'",
    "SHOW GRANTS",
    "SHOW CLUSTERS",
    "EXPLAIN CURRENT TRANSACTION",
    "EXPLAIN TABLE OVERRIDE mysql('a:1', 'b', 'c', 'd', 'e') COLUMNS (x Int8)",
    "EXPLAIN AST DROP TABLE activity",
    "SELECT 1 INTO OUTFILE '/tmp/sqldoor-out'",
    "SELECT 1 INTO OUTFILE '/tmp/sqldoor-out' AND STDOUT FORMAT CSV",
    "EXPLAIN SELECT 1 INTO OUTFILE '/tmp/sqldoor-out'",
    "SHOW TABLES INTO OUTFILE '/tmp/sqldoor-out'",
    "DESCRIBE TABLE user_days INTO OUTFILE '/tmp/sqldoor-out'",
    "SELECT 1 SETTINGS readonly = 0",
    "SELECT * FROM (SELECT 1 SETTINGS readonly = 0)",
    "SELECT 1 FORMAT JSON SETTINGS format_schema = '/etc/passwd'",
    "DESCRIBE TABLE user_days SETTINGS readonly = 0",
    "DESCRIBE user_days WHERE 1",
    "DESCRIBE user_days, sites",
    "EXISTS (SELECT 1)",
    "SHOW CREATE TABLE activity_in",
    "SHOW CREATE TABLE system.processes",
]
TABLE_FUNCTIONS = [
    "file('/etc/passwd', 'LineAsString')",
    "url('http://127.0.0.1:1/', 'CSV', 'a String')",
    "remote('127.0.0.1', 'system', 'one')",
    "cluster('default', 'system', 'one')",
    "s3('http://127.0.0.1:1/x', 'CSV', 'a String')",
    "executable('x', 'TSV', 'a Int8')",
    "mysql('127.0.0.1:1', 'a', 'b', 'c', 'd')",
    "postgresql('127.0.0.1:1', 'a', 'b', 'c', 'd')",
    "sqlite('/etc/passwd', 'x')",
    "mongodb('127.0.0.1:1', 'a', 'b', 'c', 'd', 'e Int8')",
    "jdbc('a', 'b')",
    "odbc('a', 'b')",
    "hdfs('hdfs://127.0.0.1:1/x', 'CSV', 'a Int8')",
    "deltaLakeLocal('/tmp')",
    "icebergLocal('/tmp')",
    "filesystem('/')",
    "python(door)",
    "Python(door)",
    "eval('SELECT 1')",
    "format('LineAsString', 'x')",
    "input('a Int8')",
    "merge('system', '^settings$')",
    "merge('^activity')",
    "dictionary('d')",
    "loop(system.settings)",
    "view(SELECT 1)",
    "viewExplain('EXPLAIN', '', (SELECT 1))",
    "mergeTreeIndex('default', 'activity')",
    "generateRandom('a Int8')",
    "null('a Int8')",
    # A structure is SQL: what stands behind ALIAS is read when the column is.
    "values('b UInt8, a String ALIAS file(''/etc/passwd'')', 1)",
    "VALUES('b UInt8, a String ALIAS file(''/etc/passwd'')', 1)",
    "Values('b UInt8, a String ALIAS file(''/etc/passwd'')', 1)",
    "`values`('b UInt8, a String ALIAS file(''/etc/passwd'')', 1)",
    "values('b UInt8, a String ALIAS (SELECT value FROM system.server_settings LIMIT 1)', 1)",
    "values('a UInt8', 1)",
    "values(1, 2)",
]
TABLES = [
    "system.server_settings",
    "system.merge_tree_settings",
    "system.settings_profiles",
    "system.settings_changes",
    "system.user_directories",
    "system.users",
    "system.grants",
    "system.processes",
    "system.query_log",
    "system.user_query_log",
    "system.disks",
    "system.storage_policies",
    "system.parts",
    "system.detached_parts",
    "system.parts_columns",
    "system.build_options",
    "system.macros",
    "system.named_collections",
    "system.stack_trace",
    "system.symbols",
    "system.errors",
    "system.warnings",
    "system.remote_data_paths",
]
FUNCTIONS = [
    "file('/etc/passwd')",
    "getSetting('readonly')",
    "getSettingOrDefault('readonly', 1)",
    "getServerSetting('path')",
    "getMergeTreeSetting('index_granularity')",
    "getMacro('x')",
    "getServerPort('tcp_port')",
    "getClientHTTPHeader('Host')",
    "dictGet('d', 'a', 1)",
    "joinGet('default.x', 'a', 1)",
    "hasColumnInTable('system', 'settings', 'name')",
    "filesystemAvailable()",
    "serverUUID()",
    "sleep(1)",
    "sleepEachRow(1)",
    "demangle('x')",
    "addressToLine(1)",
    "logTrace('x')",
    "showCertificate()",
    "catboostEvaluate('/etc/passwd', 1)",
    "naiveBayesClassifier('m', 'x')",
    "aiGenerate('x')",
    "structureToCapnProtoSchema('a Int8')",
    "formatRow('CSV', 1)",
    "editDistance('a', 'b')",
    "parseQueryToJSON('SELECT 1')",
    "__getScalar('x')",
    "url('http://127.0.0.1:1/')",
    *(f"{name}IgnoreSet(1, activity_in)" for name in ("in", "notIn", "nullIn", "notNullIn")),
    *(f"{name}IgnoreSet(1, `/etc/passwd`)" for name in ("globalIn", "globalNotIn", "globalNullIn", "globalNotNullIn")),
]

T = "activity_in"
"""An internal table."""


@pytest.mark.parametrize("sql", WRITES)
def test_whatever_is_no_query_is_refused(door: Door, sql: str) -> None:
    assert door.code(sql) in (READONLY, SYNTAX, DENIED)
    assert not Path("/tmp/sqldoor-out").exists()


@pytest.mark.parametrize("function", TABLE_FUNCTIONS)
def test_table_functions_that_reach_out_are_refused(door: Door, function: str) -> None:
    assert door.code(f"SELECT * FROM {function}") in (DENIED, SYNTAX)
    assert door.code(f"SELECT 1 FROM sites JOIN {function} AS t ON 1") in (DENIED, SYNTAX)
    assert door.code(f"DESCRIBE TABLE {function}") in (DENIED, SYNTAX)
    # Right of IN a table function looks like any function.
    assert door.code(f"SELECT 1 IN {function}")


@pytest.mark.parametrize("table", TABLES)
def test_tables_that_tell_of_the_process_are_refused(door: Door, table: str) -> None:
    for sql in (
        f"SELECT * FROM {table}",
        f"SELECT (SELECT count() FROM {table})",
        f"SELECT 1 UNION ALL SELECT 2 FROM (SELECT * FROM {table})",
        f"WITH x AS (SELECT * FROM {table}) SELECT 1",
        f"SELECT 1 FROM sites WHERE EXISTS (SELECT 1 FROM {table})",
        f"DESCRIBE TABLE {table}",
        f"EXPLAIN SELECT * FROM {table}",
        f"EXPLAIN QUERY TREE SELECT (SELECT count() FROM {table})",
    ):
        assert door.code(sql) in (DENIED, READONLY)
    assert door.code("SELECT * FROM {t:Identifier}", param_t=table) in (DENIED, NO_TABLE)
    database, _, name = table.partition(".")
    sql = "SELECT * FROM {d:Identifier}.{t:Identifier}"
    assert door.code(sql, param_d=database, param_t=name) == DENIED


@pytest.mark.parametrize("table", ["SYSTEM.settings", "nowhere.x"])
def test_other_databases_are_not_there(door: Door, table: str) -> None:
    assert door.code(f"SELECT * FROM {table}") == NO_DATABASE
    assert door.code(f"SELECT 1 IN {table}") == NO_DATABASE
    assert door.code(f"DESCRIBE {table}") in (DENIED, NO_DATABASE)


@pytest.mark.parametrize("call", FUNCTIONS)
def test_functions_that_look_around_are_refused(door: Door, call: str) -> None:
    name = call.partition("(")[0]
    for sql in (
        f"SELECT {call}",
        f"SELECT 1 WHERE toString({call}) = ''",
        f"SELECT arrayMap(x -> {call}, [1])",
        f"SELECT sum(1) OVER (ORDER BY {call})",
        f"SELECT 1 ORDER BY {call} LIMIT 1 BY {call}",
        f"SELECT * APPLY {name} FROM sites",
        f"SELECT * APPLY (x -> {call}) FROM sites",
        f"WITH {call} AS x SELECT x",
    ):
        assert door.code(sql) == NO_FUNCTION


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM 'file.csv'",
        "SELECT * FROM `/etc/passwd`",
        "SELECT * FROM default.`/etc/passwd`",
        "SELECT 1 IN ('/etc/passwd', (SELECT * FROM `/etc/passwd`))",
        "SELECT * FROM door",
        "SELECT * FROM activity_in",
        "SELECT 1 IN activity_in",
        # A name from WITH holds where it holds, not beside.
        "SELECT * FROM `/etc/passwd` WHERE 1 IN (WITH `/etc/passwd` AS (SELECT 1) SELECT * FROM `/etc/passwd`)",
        "WITH x AS (SELECT * FROM x) SELECT * FROM x",
        # Nor does that of a recursive one hold where the engine reads the table of that name instead.
        "WITH RECURSIVE `/etc/passwd` AS (SELECT * FROM `/etc/passwd`) SELECT * FROM `/etc/passwd`",
        "WITH RECURSIVE activity_in AS (SELECT * FROM activity_in) SELECT * FROM activity_in",
        f"WITH RECURSIVE {T} AS (SELECT site FROM {T} UNION ALL SELECT site FROM {T}) SELECT * FROM {T}",
        f"WITH RECURSIVE {T} AS (SELECT 1 UNION DISTINCT SELECT 2 FROM {T} UNION ALL SELECT 3) SELECT * FROM {T}",
        f"WITH RECURSIVE {T} AS (SELECT 1 EXCEPT SELECT 2 FROM {T} UNION ALL SELECT 3) SELECT * FROM {T}",
        f"WITH RECURSIVE {T} AS (SELECT * FROM (SELECT 1 UNION ALL SELECT 2 FROM {T})) SELECT * FROM {T}",
        f"WITH RECURSIVE {T} AS ((SELECT 1 UNION DISTINCT SELECT 2 FROM {T}) UNION ALL SELECT 3) SELECT * FROM {T}",
        f"WITH RECURSIVE {T} AS (SELECT 1 IN {T} UNION ALL SELECT 2) SELECT * FROM {T}",
        f"WITH RECURSIVE {T} AS (SELECT (SELECT count() FROM {T}) UNION ALL SELECT 2) SELECT * FROM {T}",
        f"WITH RECURSIVE {T} AS (WITH x AS (SELECT 1 FROM {T}) SELECT * FROM x UNION ALL SELECT 2) SELECT * FROM {T}",
        f"SELECT * FROM (WITH RECURSIVE {T} AS (SELECT 1 UNION ALL SELECT 2 FROM {T}) SELECT 1), {T}",
    ],
)
def test_tables_that_are_not_granted_are_refused(door: Door, sql: str) -> None:
    """Files look like tables that are not there, whether they are or not."""
    assert door.code(sql) == (DENIED if T in sql else NO_TABLE)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1 IN system.disks",
        "SELECT 1 IN (system.processes)",
        "SELECT 1 IN `system.processes`",
        "SELECT 1 WHERE 'x' NOT IN system.users",
        "SELECT 1 IN activity_in",
    ],
)
def test_tables_right_of_in_are_checked(door: Door, sql: str) -> None:
    assert door.code(sql) == DENIED


def test_tables_right_of_in_from_a_parameter_are_checked(door: Door) -> None:
    assert door.code("SELECT 1 IN {t:Identifier}", param_t="activity_in") == DENIED
    assert door.code("SELECT 1 IN {d:Identifier}.{t:Identifier}", param_d="system", param_t="disks") == DENIED


def test_the_catalog_has_what_is_granted_and_nothing_else(door: Door) -> None:
    assert set(door.text("SHOW TABLES").split()) == READABLE
    assert door.text("SHOW TABLES FROM system") == ""
    with_parameters = {"idle_licenses_over", "license_usage", "user_usage"}  # their columns depend on these
    for query, found in (
        ("SELECT name FROM system.tables WHERE database = 'default'", READABLE),
        ("SELECT table_name FROM information_schema.tables WHERE table_schema = 'default'", READABLE),
        ("SELECT DISTINCT table FROM system.columns WHERE database = 'default'", READABLE - with_parameters),
        ("SELECT DISTINCT table_name FROM information_schema.columns", READABLE - with_parameters),
    ):
        assert set(door.text(query).split()) == found, query
    assert door.text("SELECT name FROM system.databases") == "default\n"


def test_the_folder_is_named_where_the_engine_tells_of_tables_and_nowhere_else(door: Door, house: House) -> None:
    for table in ("system.columns", "system.settings", "information_schema.tables", "information_schema.schemata"):
        assert str(house.folder) not in door.text(f"SELECT * FROM {table} FORMAT TSVRaw")


@pytest.mark.parametrize(
    "sql", ["SELECT 1; SELECT 2", "SELECT 1; DROP TABLE activity", "SELECT 1;; SELECT 1", "", " ", "SELECT"]
)
def test_what_is_no_single_statement_is_a_syntax_error(door: Door, sql: str) -> None:
    assert door.code(sql, default_format="CSV") == SYNTAX


def test_a_syntax_error_at_bytes_that_are_no_text_is_one(door: Door) -> None:
    """The engine repeats them in its words, which are no text then either."""
    answer = door.ask(b"SELECT 1 \xff")
    assert answer.headers["x-clickhouse-exception-code"] == str(SYNTAX)
    assert "parseQuery" not in answer.text


@pytest.mark.parametrize(
    "name", ["Template", "Protobuf", "CapnProto", "dataframe", "ArrowTable", "Nonsense", "JSONColumns", "MySQLWire"]
)
def test_formats_that_read_files_or_are_none_are_refused(door: Door, name: str) -> None:
    assert door.code(f"SELECT 1 FORMAT {name}") == 73
    assert door.code("SELECT 1", default_format=name) == 73


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("readonly", "0"),
        ("max_execution_time", "0"),
        ("max_execution_time", "inf"),
        ("max_execution_time", "-1"),
        ("max_result_rows", "-1"),
        ("max_result_rows", "many"),
        ("max_memory_usage", "nan"),
        ("max_threads", "64"),
        ("result_overflow_mode", "any"),
        ("read_overflow_mode", "break"),
        ("max_rows_to_read", "9" * 30),
        ("format_schema", "/etc/passwd"),
        ("format_schema_source", "file"),
        ("output_format_schema", "/tmp/sqldoor-out"),
        ("allow_introspection_functions", "1"),
        ("max_bytes_before_external_sort", "1"),
        ("profile", "default"),
        ("nonsense", "1"),
        ("default_database", "system"),
    ],
)
def test_settings_that_loosen_something_are_refused(door: Door, name: str, value: str) -> None:
    assert door.code("SELECT 1", **{name: value}) in (READONLY, 452, 36)


def test_other_databases_are_refused(door: Door) -> None:
    assert door.code("SELECT * FROM one", database="system") == 81


def test_what_cannot_be_checked_is_refused(door: Door) -> None:
    assert door.code("SELECT -0.0") == UNKNOWN_HERE
    assert door.code("SELECT 18446744073709551616") == UNKNOWN_HERE
    assert door.code("SELECT {x:Identifier} + 1 FROM numbers({x:Identifier})", param_x="number") >= 46
    assert door.code("SELECT " + "(" * 2000 + "1" + ")" * 2000) in (306, SYNTAX, 167)
    assert door.code("SELECT " + "-(" * 900 + "1" + ")" * 900) in (306, SYNTAX, 167, 168)
    assert door.code("SELECT '" + "x" * 300_000 + "'") == 223
    assert door.ask(b"x" * 9_000_000).status_code == 413


def test_the_engine_is_read_only_by_itself(house: House, door: Door) -> None:
    """Should the check ever let something through, the role's grants and the handle's own readonly stand behind it."""
    from console.sqldoor.engine import Engine
    from console.sqldoor.exceptions import DoorError
    from console.sqldoor.profile import DoorLimits

    engine = Engine(house.folder / "warehouse", DoorLimits())
    with engine.handle("a test") as handle:
        for sql in (
            "INSERT INTO sites (site) VALUES ('x')",
            "DROP TABLE sites",
            "SET readonly = 0",
            "SET readonly = 2",
            "SYSTEM FLUSH LOGS",
            "SELECT * FROM activity_in",
        ):
            with pytest.raises(DoorError) as caught:
                handle.run(sql, {})
            assert caught.value.code == (READONLY if sql.startswith("SET") else DENIED)
        for setting in ("max_execution_time", "max_memory_usage", "max_result_rows"):
            with pytest.raises(DoorError) as caught:
                handle.run(f"SET {setting} = 0", {})
            assert caught.value.code == READONLY


def test_every_table_of_the_schema_is_granted_or_kept_back_on_purpose(house: House) -> None:
    async def names(warehouse: Warehouse) -> set[str]:
        rows = await warehouse.query("SELECT name FROM system.tables WHERE database = currentDatabase()")
        return {row["name"] for row in rows}

    assert house.run(names(house.warehouse)) == READABLE | allowlist.INTERNAL_TABLES
