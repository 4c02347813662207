"""SQL inside of texts, and names that the engine looks up as tables or files: neither reads anything."""

import pytest

from .house import Door

DENIED, NO_FUNCTION, NO_IDENTIFIER, NO_TABLE, NO_DATABASE = 497, 46, 47, 60, 81
T = "activity_in"
"""An internal table."""

STRUCTURE = "b UInt8, a String ALIAS file('/etc/passwd')"


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT a FROM values({s:String}, 1)",
        "EXPLAIN SELECT a FROM values({s:String}, 1)",
        "EXPLAIN QUERY TREE SELECT a FROM values({s:String}, 1)",
        "SELECT 1 FROM sites JOIN values({s:String}, 1) AS t ON 1",
        "SELECT (SELECT a FROM values({s:String}, 1))",
        "WITH x AS (SELECT a FROM values({s:String}, 1)) SELECT * FROM x",
        "WITH {s:String} AS s SELECT a FROM values(s, 1)",
        "DESCRIBE TABLE values({s:String}, 1)",
    ],
)
def test_structures_from_a_parameter_are_refused(door: Door, sql: str) -> None:
    answer = door.ask(sql, param_s=STRUCTURE)
    assert answer.headers["X-ClickHouse-Exception-Code"] == str(DENIED)
    assert "root:" not in answer.text


def test_values_of_the_standard_take_no_structure(door: Door) -> None:
    """They stay: in them a structure is a text like any other."""
    assert door.text("SELECT * FROM (VALUES (1, 'a'), (2, 'b'))") == "1\ta\n2\tb\n"
    assert door.text("SELECT * FROM SQLStandardValues({s:String})", param_s="a UInt8") == "a UInt8\n"
    answer = door.ask("SELECT * FROM SQLStandardValues({s:String}, (1, 'x'))", param_s=STRUCTURE)
    assert answer.status_code >= 400
    assert "root:" not in answer.text


@pytest.mark.parametrize("name", ["`/etc/passwd`", "`/etc/no such file`", "door", "self", "sql", "`a.csv`", "x.y"])
@pytest.mark.parametrize("operator", ["IN", "NOT IN", "GLOBAL IN", "GLOBAL NOT IN"])
def test_a_bare_word_right_of_in_is_a_column_or_nothing(door: Door, operator: str, name: str) -> None:
    """Else a file is read, and the error tells whether it exists."""
    for sql in (
        f"SELECT 1 {operator} {name}",
        f"SELECT 1 {operator} ({name})",
        f"SELECT count() FROM sites WHERE site {operator} {name}",
        f"SELECT arrayMap(x -> x {operator} {name}, [1])",
        f"EXPLAIN SELECT 1 {operator} {name}",
        f"EXPLAIN QUERY TREE SELECT 1 {operator} {name}",
    ):
        assert door.code(sql) in ((NO_DATABASE, NO_IDENTIFIER) if name == "x.y" else (NO_TABLE,))
    if name.startswith("`"):
        assert door.code("SELECT 1 IN {n:Identifier}", param_n=name.strip("`")) == NO_TABLE


def test_a_function_named_in_a_text_is_checked(door: Door) -> None:
    assert door.text("SELECT arrayReduce('sum', [1, 2]), arrayReduce('quantile(0.5)', [1, 3])") == "3\t2\n"
    for name in ("'aggThrow(1)'", "'flameGraph'", "'nonsense'", "concat('agg', 'Throw')", "{n:String}"):
        for function in (f"arrayReduce({name}, [1])", f"arrayReduceInRanges({name}, [(1, 1)], [1])"):
            assert door.code(f"SELECT {function}", param_n="aggThrow") == NO_FUNCTION
