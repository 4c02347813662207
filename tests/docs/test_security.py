"""docs/security.md names tests that are there, every field that is kept, and every secret there is."""

import ast
import re
from collections.abc import Iterator

import msgspec
import pytest
from pydantic import BaseModel, SecretStr

from rollcall import records
from rollcall.settings import Settings

from .pages import ROOT, code_spans, sections, tables, text_of

PAGE = "docs/security.md"
NAMED = sorted(set(re.findall(r"`(tests/[^`]+)`", text_of(PAGE))))
RECORDS = (
    records.Activity,
    records.User,
    records.License,
    records.Role,
    records.Seats,
    records.Project,
    records.Grant,
    records.Looked,
    records.Added,
    records.DaysRead,
    records.SnapshotComplete,
    records.DeadLetter,
)
SECRET = re.compile(r"(password|secrets?|token|api_key)(_file)?$")


def part(heading: str) -> str:
    """The text of a section of the page, by the beginning of its heading."""
    (found,) = [text for name, text in sections(text_of(PAGE), 2) if name.startswith(heading)]
    return found


def first_cells(heading: str) -> set[str]:
    """All names in the first column of a section's table."""
    return {span for row in tables(part(heading))[0] for span in code_spans(row[0])}


def secrets_of(model: type[BaseModel], before: str = "") -> Iterator[str]:
    """Every setting under a model that holds a secret or names a file with one; sites count under their own names."""
    for name, field in model.model_fields.items():
        inner = [one for one in _types(field.annotation) if isinstance(one, type) and issubclass(one, BaseModel)]
        for one in inner:
            yield from secrets_of(one, "" if name == "sites" else f"{before}{name}.")
        if SecretStr in _types(field.annotation) or (SECRET.search(name) and name.endswith("_file")):
            yield f"{before}{name}"


def _types(annotation: object) -> list[object]:
    """An annotation's type and all inside it."""
    arguments = getattr(annotation, "__args__", ())
    return [annotation, *(one for argument in arguments for one in _types(argument))]


@pytest.mark.parametrize("named", NAMED)
def test_every_test_it_names_is_there(named: str) -> None:
    file, _, function = named.partition("::")
    there = ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8")))
    tests = {one.name for one in there if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)}
    assert function in tests if function else any(name.startswith("test_") for name in tests)


def test_every_threat_is_tried() -> None:
    threats = tables(part("Threats"))[0]
    assert len(threats) > 20
    assert [row[0] for row in threats if "`tests/" not in row[2]] == []


def test_every_field_that_is_kept_is_in_the_inventory() -> None:
    kept = {field.name for record in RECORDS for field in msgspec.structs.fields(record)}
    assert kept <= first_cells("What Rollcall knows")


def test_the_records_are_all_records() -> None:
    made = {one for one in vars(records).values() if isinstance(one, type) and issubclass(one, msgspec.Struct)}
    assert made - {msgspec.Struct, records.DirectoryRow} == set(RECORDS)


def test_every_secret_has_its_rotation_and_no_other() -> None:
    assert first_cells("Secrets") == set(secrets_of(Settings))
