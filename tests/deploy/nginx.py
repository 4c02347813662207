"""A real nginx in front of a running Rollcall, with the locations of a sample or of a careless administrator."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from ..ports import free_port

REQUIRED = "ROLLCALL_REQUIRE_NGINX"
NO_NGINX = "no nginx is installed (Debian: apt-get install nginx)"


def program() -> str:
    """Where nginx is; the test fails without one where it is required, and is skipped elsewhere."""
    found = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if not found:
        if os.environ.get(REQUIRED):
            pytest.fail(f"{REQUIRED} is set, and {NO_NGINX}")
        pytest.skip(NO_NGINX)
    return found


@contextmanager
def nginx(folder: Path, locations: str, *, http: str = "") -> Iterator[str]:
    """Run nginx while the block lasts; give its address.

    Args:
        folder: Of its own, for its files.
        locations: What stands in its only server.
        http: What stands beside the server.
    """
    path, port = program(), free_port()
    folder.mkdir()
    for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"):
        http += f"\n    {name}_temp_path {folder}/{name};"
    config = folder / "nginx.conf"
    config.write_text(f"""
daemon off;
{"user root;" if os.geteuid() == 0 else ""}
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    {http}
    server {{
        listen 127.0.0.1:{port};
        {locations}
    }}
}}
""")
    process = subprocess.Popen([path, "-p", str(folder), "-c", str(config), "-e", str(folder / "error.log")])
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 30
        while True:
            assert process.poll() is None, (folder / "error.log").read_text()
            assert time.monotonic() < deadline
            with suppress(httpx.TransportError):
                httpx.get(f"{url}/healthz", timeout=10)
                break
            time.sleep(0.05)
        yield url
    finally:
        process.terminate()
        process.wait(30)
