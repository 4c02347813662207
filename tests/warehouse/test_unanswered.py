"""A server that does not answer holds up no stop."""

import subprocess
import sys
from pathlib import Path

from tests.warehouse.servers import stand_in

CHILD = """
import asyncio, sys
from pathlib import Path

from console.process import run_command
from rollcall.warehouse import client, open_warehouse

client._LAST_CALLS_SECONDS = 0.5


async def body(settings):
    warehouse = await open_warehouse(settings.warehouse_url, "a test")
    await warehouse.ping()
    print("open", flush=True)
    sys.stdin.readline()
    waiting = asyncio.create_task(warehouse.ping())
    await asyncio.sleep(0.2)
    assert not waiting.done()
    waiting.cancel()
    await warehouse.close()
    print("closed", flush=True)
    return 3


run_command(Path(sys.argv[1]), body)
"""


def test_a_process_ends_although_a_call_is_under_way(tmp_path: Path) -> None:
    config = tmp_path / "rollcall.toml"
    with stand_in(tmp_path / "server") as server:
        config.write_text(f'warehouse_url = "{server.url}"\n')
        command = [sys.executable, "-c", CHILD, str(config)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdin
            assert child.stdout
            assert child.stdout.readline() == "open\n"
            server.hang()
            try:
                child.stdin.write("\n")
                child.stdin.flush()
                assert child.wait(60) == 3
            finally:
                server.go_on()
            assert child.stdout.read() == "closed\n"
