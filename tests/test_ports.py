"""Ports of tests: no two servers are told the same one."""

import subprocess
import sys
from pathlib import Path

from .ports import free_ports

MANY = 200
"""More than half of what a process has."""


def test_none_is_given_twice_here_or_to_another_process() -> None:
    here = free_ports(MANY)
    program = f"from tests.ports import free_ports; print(*free_ports({MANY}))"
    there = subprocess.run(
        [sys.executable, "-c", program], cwd=Path(__file__).parents[1], capture_output=True, text=True, check=True
    )
    assert len({*here, *map(int, there.stdout.split())}) == 2 * MANY
