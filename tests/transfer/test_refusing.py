"""An import looks first: into altered tables, or as a server forbids, nothing is brought."""

from pathlib import Path

from ..console.conftest import Shell, shell
from ..console.harmed import ALTERED, HELD, alter, facts_written, held
from .conftest import Exported

__all__ = ["shell"]


def test_altered_tables_are_named(shell: Shell, exported: Exported) -> None:
    alter(shell)
    result = shell.run("import", str(exported.folder))
    assert result.exit_code == 1
    assert ALTERED in result.stderr
    assert facts_written(shell) == 0


def test_a_profile_that_holds_an_insert_setting_is_named(shell: Shell, exported: Exported, tmp_path: Path) -> None:
    with held(shell, tmp_path / "data"):
        result = shell.run("import", str(exported.folder))
        assert result.exit_code == 2
        assert HELD in result.stderr
        assert facts_written(shell) == 0
