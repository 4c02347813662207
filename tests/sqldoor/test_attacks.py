"""Hostile statements by the hundred: each is refused or harmless, by an oracle that looks at what they were after.

That is files, rows of a table that no reader is granted, a listener on this machine, and the warehouse itself.
"""

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from console.sqldoor import allowlist
from console.sqldoor.engine import Engine
from console.sqldoor.exceptions import DoorError
from console.sqldoor.profile import DoorLimits

from .hostile import FILTERS, MORE_SOURCES, SOURCES, filtered, hostile
from .hostile_statements import STATEMENTS
from .house import Door, House

FILE, ROW, ROWS = "the secret of a file", "the secret of a row", 7777
HIDDEN = "not_granted"
"""A table with `ROWS` rows, of which no grant speaks."""


@dataclass(frozen=True)
class Prey:
    """What the statements are after."""

    house: House
    secret: Path
    listener: socket.socket

    def sql(self, statement: str) -> str:
        """Fill in where the prey is."""
        return (
            statement.replace("@FILE", str(self.secret))
            .replace("@OUT", str(self.secret.with_name("out")))
            .replace("@DIR", str(self.secret.parent))
            .replace("@PORT", str(self.listener.getsockname()[1]))
            .replace("@HIDDEN", HIDDEN)
        )

    def files(self) -> dict[str, bytes]:
        """Everything in the secret's folder, which is none of the engine's."""
        return {str(path): path.read_bytes() for path in self.secret.parent.rglob("*") if path.is_file()}

    def connected(self) -> bool:
        """Whether somebody has come to the listener."""
        try:
            self.listener.accept()[0].close()
        except BlockingIOError:
            return False
        return True

    def tables(self) -> list[dict[str, object]]:
        """Every table with its definition and its rows."""
        return self.house.run(
            self.house.warehouse.query(
                "SELECT name, create_table_query, total_rows FROM system.tables WHERE database = 'default' ORDER BY 1"
            )
        )


@pytest.fixture(autouse=True)
def in_its_folder(prey: "Prey", monkeypatch: pytest.MonkeyPatch) -> None:
    """Let names of files without a folder mean those beside the secret."""
    monkeypatch.chdir(prey.secret.parent)


@pytest.fixture(scope="module")
def prey(house: House, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prey]:
    secret = tmp_path_factory.mktemp("prey") / "secret.csv"
    secret.write_text(FILE + "\n")
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    command = house.warehouse.command
    house.run(command(f"CREATE TABLE {HIDDEN} (a String, n UInt64) ENGINE = MergeTree ORDER BY n"))
    try:
        house.run(command(f"INSERT INTO {HIDDEN} SELECT '{ROW}', number FROM numbers({ROWS})"))
        yield Prey(house, secret, listener)
    finally:
        house.run(command(f"DROP TABLE {HIDDEN} SYNC"))
        listener.close()


def test_there_are_enough() -> None:
    assert len(STATEMENTS) > 150
    assert len({*hostile()}) > 1500


@pytest.mark.timeout(400)
def test_nothing_is_read_and_nothing_changed(prey: Prey, door: Door) -> None:
    files, tables = prey.files(), prey.tables()
    answered = []
    for statement, structure in hostile():
        sql = prey.sql(statement)
        answer = door.ask(sql, param_s=prey.sql(structure), param_t=HIDDEN, param_d="default", param_f=str(prey.secret))
        for secret in (FILE, ROW, "root:x:0"):
            assert secret not in answer.text, sql
        if answer.status_code == 200:
            answered.append(statement)
            assert int(answer.headers["X-ClickHouse-Summary"].split('"read_rows":"')[1].split('"')[0]) < ROWS, sql
        assert not prey.connected(), sql
    assert prey.files() == files
    assert prey.tables() == tables
    assert door.text("SELECT 1") == "1\n"
    assert [one for one in answered if not one.startswith(HARMLESS)] == []


HARMLESS = (
    # The statement's own text as a tree, of which nothing is looked up.
    "EXPLAIN AST SELECT * FROM",
    # The function that fills in a text, not the table function: right of IN it is called, and makes the text 'CSV'.
    "SELECT 'x' IN format('CSV'",
    # They say that there is nothing: the catalog has only what is granted. Then a text, and names that mean a CTE.
    "EXISTS ",
    "SHOW COLUMNS FROM",
    "SHOW INDEXES FROM",
    "SHOW TABLES LIKE",
    "SELECT 'x' IN '@FILE'",
    "WITH RECURSIVE @HIDDEN AS (SELECT 1 UNION ALL SELECT 3 INTERSECT",
    "WITH RECURSIVE @HIDDEN AS (WITH RECURSIVE @HIDDEN AS (",
)
"""How those begin that are answered."""


def test_nothing_is_read_by_a_filter(prey: Prey, door: Door) -> None:
    """By the setting of the URL and by the clause, of a table and of a view, and of tables that are not read at all."""
    files, tables = prey.files(), prey.tables()
    assert len(FILTERS) > 100
    answered = []
    for text in FILTERS:
        for table in ("sites", "user_days", HIDDEN):
            sql = "SELECT * FROM sites LEFT JOIN user_days USING site"
            given = filtered(table, prey.sql(text))
            params = {"param_f": str(prey.secret), "param_t": HIDDEN}
            for answer in (
                door.ask(sql, additional_table_filters=given, **params),
                door.ask(f"{sql} SETTINGS additional_table_filters = {given}", **params),
            ):
                for secret in (FILE, ROW, "root:x:0"):
                    assert secret not in answer.text, given
                if answer.status_code == 200:
                    answered.append(text)
                assert not prey.connected(), given
    assert prey.files() == files
    assert prey.tables() == tables
    # A name with a table before it is looked up in the table that is filtered, which is not read there.
    assert {*answered} <= {"@HIDDEN.a = ''"}


def test_filters_have_the_rights_of_the_reader(prey: Prey) -> None:
    """Past the check, as the engine takes them: what it reads for a filter it denies, in a view's tables too."""
    engine = Engine(prey.house.folder / "warehouse", DoorLimits())
    for table in ("sites", "user_days", "user_day_states", "activity"):
        for text in (
            f"(SELECT count() FROM {HIDDEN}) > 0",
            f"'x' IN (SELECT a FROM {HIDDEN})",
            f"toString(inIgnoreSet('x', {HIDDEN})) != ''",
            f"'x' IN `{prey.secret}`",
        ):
            read = f"SELECT count() FROM {'user_days' if 'day' in table else table}"
            with engine.handle("a test") as handle, pytest.raises(DoorError) as caught:
                handle.run(read, {}, {"additional_table_filters": filtered(table, text)})
            assert caught.value.code == (60 if str(prey.secret) in text else 497), text


def test_grants_alone_keep_every_table_and_source(prey: Prey) -> None:
    """Past the check, on the connection that queries run on: what the engine itself denies."""
    engine = Engine(prey.house.folder / "warehouse", DoorLimits())
    let_in = []
    with engine.handle("a test") as handle:
        for source in (*SOURCES, *MORE_SOURCES):
            sql = prey.sql(f"SELECT * FROM {source} LIMIT 1")
            try:
                answer = bytes(handle.run(sql, {"t": HIDDEN, "d": "default"}).bytes() or b"")
            except DoorError:
                continue
            assert FILE.encode() not in answer or "file(" in source, sql
            assert ROW.encode() not in answer, sql
            let_in.append(source)
    assert not prey.connected()
    assert {one for one in let_in if not one.removeprefix("`").startswith("system.")} == HARMLESS_SOURCES


HARMLESS_SOURCES = {
    "viewIfPermitted(SELECT * FROM @HIDDEN ELSE null('a String, n UInt64'))",
    "fuzzQuery('SELECT * FROM @HIDDEN', 100, 1)",
}
"""No rows, since it is not permitted; and texts made of a text."""


@pytest.mark.parametrize(("listed", "head"), [("functions", "SELECT"), ("table_functions", "SELECT * FROM")])
def test_a_walk_over_all_functions(prey: Prey, listed: str, head: str) -> None:
    """Each that the engine has, past the check, with the names of file and table: who reads is known to the check."""
    engine = Engine(prey.house.folder / "warehouse", DoorLimits(seconds=5))
    engine.open()
    names = [row["name"] for row in engine._rows(f"SELECT name FROM system.{listed}")]
    words = [f"`{prey.secret}`", f"'{prey.secret}'", HIDDEN, f"'{HIDDEN}'"]
    queries = [
        f"{head} {{}}({before}{word})" for word, before in zip(words, ("1, ", "", "1, ", "'default', "), strict=True)
    ]
    queries.append(f"SELECT a FROM {{}}('a String ALIAS file(\\'{prey.secret}\\'), b UInt8', 1) LIMIT 1")
    files, reading, writing = prey.files(), set(), set()
    with engine.handle("a test") as handle:
        for name in names:
            for query in queries:
                try:
                    result = handle.run(query.replace("{}", name), {})
                except DoorError as error:
                    answer, rows = error.body.encode(), 0
                else:
                    answer, rows = bytes(result.bytes() or b""), result.storage_rows_read()
                if FILE.encode() in answer or ROW.encode() in answer or rows >= ROWS:
                    reading.add(name)
            if (found := prey.files()) != files:
                writing.add(name)
                files = found
    assert not prey.connected()
    assert len(names) > {"functions": 1500, "table_functions": 80}[listed]
    assert (reading, writing) == KNOWN[listed]
    for name in reading | writing:
        assert name not in (engine.statements.vocabulary if listed == "functions" else allowlist.TABLE_FUNCTIONS)
    engine.close()


KNOWN: dict[str, tuple[set[str], set[str]]] = {
    "functions": ({"file"}, set()),
    "table_functions": ({"generateRandom", "values"}, {"sqlite"}),
}
"""Those that read in spite of the grants, and those that leave a file (an empty one) before they are denied."""
