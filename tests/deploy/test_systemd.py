"""The units of deploy/systemd: systemd understands all of them, and counts them among the safest."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.docs.pages import ROOT

FOLDER = ROOT / "deploy/systemd"
SERVICES = sorted(path.name for path in FOLDER.glob("*.service"))
EXPOSURE = 20
"""Most that `systemd-analyze security` may say, in tenths: it says 1.7, and calls that OK."""

pytestmark = pytest.mark.skipif(
    not shutil.which("systemd-analyze"), reason="there is no systemd-analyze, which reads the units"
)


@pytest.fixture(scope="module")
def units(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The units, with a program that is here in the place of the one that an installation has."""
    folder = tmp_path_factory.mktemp("units")
    for unit in FOLDER.iterdir():
        text = unit.read_text(encoding="utf-8").replace("/opt/rollcall/bin/rollcall", "/bin/true")
        (folder / unit.name).write_text(text, encoding="utf-8")
    return folder


def analyze(*arguments: str) -> str:
    done = subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("name", [*SERVICES, "rollcall-reconcile.timer"])
def test_systemd_has_no_complaint(units: Path, name: str) -> None:
    said = analyze("verify", "--man=no", str(units / name))
    assert [line for line in said.splitlines() if "rollcall" in line] == []


@pytest.mark.parametrize("name", SERVICES)
def test_each_is_shut_in(units: Path, name: str) -> None:
    analyze("security", "--offline=true", f"--threshold={EXPOSURE}", str(units / name))


@pytest.mark.parametrize("name", SERVICES)
def test_each_is_shut_in_alike_and_runs_a_command_that_there_is(name: str) -> None:
    text = (FOLDER / name).read_text(encoding="utf-8")
    shut_in = text.partition("# What it may do.")[2].partition("\n[Install]")[0].strip()
    assert (
        shut_in
        == (FOLDER / "rollcall.service")
        .read_text()
        .partition("# What it may do.")[2]
        .partition("\n[Install]")[0]
        .strip()
    )
    [command] = re.findall(r"^ExecStart=/opt/rollcall/bin/rollcall (\w+)$", text, re.MULTILINE)
    assert f"## `rollcall {command}`" in (ROOT / "docs/commands.md").read_text(encoding="utf-8")
