"""Whether containers can be run here."""

import subprocess
from functools import cache


@cache
def docker_answers() -> bool:
    """Whether a Docker engine answers; the client alone is not enough."""
    try:
        return subprocess.run(["docker", "info"], capture_output=True, timeout=10, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False
