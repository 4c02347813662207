"""The switch that docs/deploy.md describes, as commands: from the embedded engine to a server, and back."""

import asyncio
from pathlib import Path

from rollcall.settings import load_settings
from rollcall.warehouse import open_warehouse

from ..console.conftest import Shell, shell
from ..facts import fresh_warehouse
from ..warehouse.servers import server
from .contents import fill

__all__ = ["shell"]

OTHER = """
[sites.other]
url = "https://other.atlassian.net"
webhook_secrets = ["0123456789abcdef"]
timezone = "Asia/Tokyo"
"""


def installation(folder: Path, shell: Shell, warehouse_url: str) -> Shell:
    """Another installation with the same sites and its tables, and nothing in them."""
    folder.mkdir()
    text = shell.config.read_text().replace(f"chdb://{shell.folder}/warehouse", warehouse_url)
    (folder / "rollcall.toml").write_text(text)
    made = Shell(folder)
    assert made.run("migrate").exit_code == 0
    return made


def moved(source: Shell, target: Shell, export: Path) -> None:
    """Export from one and import into the other."""
    out = source.run("export", str(export), "--rows-per-file", "40")
    assert out.exit_code == 0, out.output
    brought = target.run("import", str(export))
    assert brought.exit_code == 0, brought.output
    assert "user days. The facts decide" not in brought.stderr


def held_by(shell: Shell) -> dict[str, list[str]]:
    """Facts with the word that counts of each, and user days."""

    async def main() -> dict[str, list[str]]:
        warehouse = await open_warehouse(load_settings(shell.config).warehouse_url, "a test", write=False)
        try:
            facts = await warehouse.query("SELECT *, version FROM activity FINAL")
            days = await warehouse.query("SELECT * FROM user_days")
        finally:
            await warehouse.close()
        return {"facts": sorted(map(repr, facts)), "days": sorted(map(repr, days))}

    return asyncio.run(main())


def test_embedded_to_a_server_and_back(shell: Shell, tmp_path: Path) -> None:
    async def filled() -> None:
        async with fresh_warehouse(shell.folder) as warehouse:
            await fill(warehouse, seed=3, count=30)

    asyncio.run(filled())
    shell.config.write_text(shell.config.read_text() + OTHER)
    before = held_by(shell)
    assert min(map(len, before.values())) > 10
    with server(tmp_path / "data") as chosen:
        served = installation(tmp_path / "served", shell, chosen.url)
        moved(shell, served, tmp_path / "there")
        assert held_by(served) == before
        back = installation(tmp_path / "back", shell, f"chdb://{tmp_path}/back/warehouse")
        moved(served, back, tmp_path / "here")
    assert held_by(back) == before
