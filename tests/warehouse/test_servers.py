"""What the header of a test run says of the server is so."""

import re
from pathlib import Path

import pytest

from . import servers

TESTS = Path(__file__).parents[1]
IMPORT = re.compile(r"^from .* import .*$", re.MULTILINE)
SPEAKS = re.compile(r"\bon_both_engines\b|\bon_a_real_server_too\b|\bon_the_server\b|\bclickhouse: Chosen\b")


def test_it_names_the_tests_that_speak_to_it() -> None:
    speaking = {
        str(path.relative_to(TESTS.parent))
        for path in TESTS.rglob("test_*.py")
        if path != Path(__file__) and SPEAKS.search(IMPORT.sub("", path.read_text(encoding="utf-8")))
    }
    assert speaking == set(servers.SPEAKING)
    assert speaking >= set(servers.SOAKING) == {name for name in speaking if "on_a_real_server_too" in _text(name)}


def _text(name: str) -> str:
    return (TESTS.parent / name).read_text(encoding="utf-8")


def test_it_says_so_when_there_is_no_real_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(servers.ADDRESS_VARIABLE, raising=False)
    monkeypatch.setattr(servers, "docker_answers", lambda: False)
    assert servers.what().startswith("NO REAL SERVER")
    assert servers.what().endswith("to the stand-in only in `make soak`")
    monkeypatch.setattr(servers, "docker_answers", lambda: True)
    assert servers.what().startswith("clickhouse/clickhouse-server:")
    assert servers.OF_THE_FILE in servers.what()
    monkeypatch.setenv(servers.ADDRESS_VARIABLE, "clickhouse://somebody:hush@ch.example")
    assert servers.ADDRESS_VARIABLE in servers.what()
    assert servers.OF_THE_FILE not in servers.what()
    assert "hush" not in servers.what()
