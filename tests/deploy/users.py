"""deploy/clickhouse/users.xml in front of ClickHouse's own reader of such files, which chDB has in it.

chDB lets in one user, `default`, without a password. So whoever is tried is lent to chDB under that name.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from .files import ROOT

USERS = ROOT / "deploy" / "clickhouse" / "users.xml"

_OF_THE_IMAGE = """<clickhouse>
  <profiles><default/><readonly><readonly>1</readonly></readonly></profiles>
  <users>
    <default>
      <password/><networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota>
    </default>
  </users>
  <quotas><default/></quotas>
</clickhouse>"""
"""What matters of the users.xml that a ClickHouse server comes with; files in users.d are laid over it."""

EXAMINER = """<clickhouse><users><default>
  <password/><networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota>
  <grants><query>GRANT ALL ON *.* WITH GRANT OPTION</query></grants>
</default></users></clickhouse>"""
"""A file that lets a `default` in again, who may ask what the files before it made."""

_ASKING = """
import chdb, sys
connection = chdb.connect(f"{sys.argv[1]}?config-file={sys.argv[2]}")
for sql in sys.argv[3:]:
    print(str(connection.query(sql, "JSONCompact")).replace(chr(10), ""))
"""


@dataclass(frozen=True)
class Asked:
    """What the engine said: the rows of each query, or why it let nobody in."""

    rows: list[list[dict[str, Any]]]
    trouble: str


def password_variables() -> dict[str, str]:
    """Each user's variable of the environment that holds the password; empty for a password of another kind."""
    users = ElementTree.parse(USERS).getroot().iterfind("users/*")
    return {user.tag: one.get("from_env", "") for user in users if (one := user.find("password")) is not None}


def lay_out(folder: Path, after: str = "") -> Path:
    """Write a server's configuration with our file in users.d, as docker-compose.yml mounts it; return its path.

    Args:
        folder: Where to.
        after: A further file, laid over the others.
    """
    return _written(folder, USERS.read_text(encoding="utf-8"), after)


def lend(folder: Path, name: str, *, with_password: bool = False) -> Path:
    """Write a configuration whose `default` has the rights, the profile and the database of one user of the file."""
    tree = ElementTree.parse(USERS).getroot()
    [users] = tree.iterfind("users")
    lent = deepcopy(users.find(name))
    assert lent is not None
    lent.tag = "default"
    if not with_password:
        [password] = lent.iterfind("password")
        password.attrib.clear()
    users[:] = [one for one in users if one.tag != "default"] + [lent]
    return _written(folder, ElementTree.tostring(tree, encoding="unicode"), "")


def _written(folder: Path, ours: str, after: str) -> Path:
    (folder / "users.d").mkdir(parents=True, exist_ok=True)
    (folder / "users.xml").write_text(_OF_THE_IMAGE)
    (folder / "users.d" / "rollcall.xml").write_text(ours)
    if after:
        (folder / "users.d" / "zz.xml").write_text(after)
    config = folder / "server.xml"
    config.write_text(f"<clickhouse><users_config>{folder}/users.xml</users_config></clickhouse>")
    return config


def ask(config: Path, *queries: str, environment: Mapping[str, str]) -> Asked:
    """Start the engine on a configuration, in a process of its own, and put SELECTs to it.

    Args:
        config: What `lay_out` or `lend` wrote.
        queries: SELECTs.
        environment: The passwords.
    """
    clean = {name: value for name, value in os.environ.items() if name not in password_variables().values()}
    done = subprocess.run(
        [sys.executable, "-c", _ASKING, str(config.parent / "data"), str(config), *queries],
        env={**clean, **environment},
        cwd=config.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    rows = [[dict(zip([c["name"] for c in one["meta"]], row, strict=True)) for row in one["data"]] for one in answers]
    return Asked(rows, done.stderr if done.returncode else "")
