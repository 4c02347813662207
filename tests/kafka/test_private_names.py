"""What an upgrade of aiokafka takes away, said before anything runs on it. Needs no broker.

aiokafka's private names are in one module, in one table; this walks the table over the release that is installed.
"""

import ast
import inspect
import re
from pathlib import Path
from typing import Any

import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.conn import AIOKafkaConnection
from aiokafka.consumer.group_coordinator import GroupCoordinator

from rollcall.eventlog import kafka
from rollcall.eventlog.kafka import _aiokafka
from rollcall.eventlog.kafka._aiokafka import PRIVATE, PrivateName

FOLDER = Path(inspect.getfile(kafka)).parent
PUBLIC = {"aiokafka", "aiokafka.admin", "aiokafka.admin.config_resource", "aiokafka.errors"}


def is_there(owner: Any, name: str) -> bool:
    if not isinstance(owner, type):
        return name in inspect.getsource(owner)
    if hasattr(owner, name):
        return True
    # Attributes of instances are not on the class: some method must assign them.
    source = "".join(inspect.getsource(base) for base in owner.__mro__[:-1])
    return re.search(rf"\bself\.{name}\b(: [^=\n]+)? = ", source) is not None


def complaint(private: PrivateName) -> str | None:
    if is_there(private.owner, private.name):
        return None
    return f"aiokafka has no {private.owner.__name__} with {private.name!r} any more; needed for: {private.purpose}"


def test_aiokafka_still_has_all_private_names() -> None:
    assert [gone for private in PRIVATE if (gone := complaint(private))] == []


def test_a_name_that_is_gone_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(AIOKafkaClient, "_wait_on_metadata")
    said = (
        "aiokafka has no AIOKafkaClient with '_wait_on_metadata' any more; "
        "needed for: the partitions of a topic, without a subscription"
    )
    assert said in [complaint(private) for private in PRIVATE]


@pytest.mark.parametrize("owner", [AIOKafkaConnection, inspect.getmodule(AIOKafkaConnection), AIOKafkaClient.bootstrap])
def test_a_name_that_never_was_is_said(owner: Any) -> None:
    assert complaint(PrivateName(owner, "_never_was", "nothing"))


@pytest.mark.parametrize(
    ("patched", "original"),
    [(_aiokafka._AbortedConnection, AIOKafkaConnection), (_aiokafka._GroupCoordinator, GroupCoordinator)],
)
def test_patches_take_what_they_replace_takes(patched: type, original: type) -> None:
    replaced = [name for name, value in vars(patched).items() if inspect.isfunction(value)]
    assert replaced
    for name in replaced:
        ours, theirs = (inspect.signature(getattr(one, name)).parameters for one in (patched, original))
        assert list(ours) == list(theirs), name


def test_the_table_has_every_private_name_that_is_used() -> None:
    tree = ast.parse((FOLDER / "_aiokafka.py").read_text())
    attributes = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr.startswith("_")]
    own = {node.attr for node in attributes if isinstance(node.ctx, ast.Store) and ast.unparse(node.value) == "self"}
    used = {node.attr for node in attributes if not node.attr.startswith("__")} | set(_aiokafka._COORDINATOR_TASKS)
    assert used - own <= {private.name for private in PRIVATE}


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.name)
def test_no_other_module_reaches_into_aiokafka(path: Path) -> None:
    if path.name == "_aiokafka.py":
        return
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Attribute(value=ast.Name(id="self" | "cls")):
                continue
            case ast.Attribute(attr=name):
                assert not name.startswith("_") or name.endswith("__"), f"{path.name}:{node.lineno}: {name}"
            case ast.ImportFrom(module=str(module)) if module.partition(".")[0] == "aiokafka":
                assert module in PUBLIC, f"{path.name}:{node.lineno}: {module}"
            case ast.Import(names=names):
                assert not any(alias.name.startswith("aiokafka") for alias in names)
