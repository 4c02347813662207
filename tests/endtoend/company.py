"""A simulated company: what it sends, and the truth about it. Spoken to by command line, as everybody does."""

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

from .installation import SECRET, unmeasured


@dataclass(frozen=True)
class Company:
    """A simulated site; equal parameters make an equal one."""

    people: int
    days: int
    now: int
    seed: int = 7
    acts_per_day: float = 18.0

    @property
    def options(self) -> list[str]:
        return [
            "--people", str(self.people), "--days", str(self.days), "--now", str(self.now), "--seed", str(self.seed),
            "--acts-per-day", str(self.acts_per_day),
        ]  # fmt: skip

    def send(self, url: str, *more: str) -> "subprocess.Popen[str]":
        """Send the whole history as webhooks; the process prints its statistics as JSON."""
        command = [sys.executable, "-m", "simulator", "send", url, "--secret", SECRET, *self.options, *more]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=unmeasured())

    def truth(self) -> list[dict[str, Any]]:
        """Every fact of the history."""
        command = [sys.executable, "-m", "simulator", "truth", *self.options]
        lines = subprocess.run(command, stdout=subprocess.PIPE, env=unmeasured(), check=True).stdout.splitlines()
        return [json.loads(line) for line in lines]
