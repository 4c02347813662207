"""docs/commands.md, from the ``rollcall`` command itself.

Built from the parameters and not from the printed help, whose line breaks depend on the terminal and whose look on
the version of typer.
"""

from collections.abc import Iterator
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any, cast, get_args, get_type_hints

import typer
from typer.core import TyperArgument, TyperGroup, TyperOption

from console.main import app
from tools.reference.markdown import GENERATED, code, page, table

_INTRODUCTION = """
`rollcall --help` and `rollcall COMMAND --help` say the same on the terminal; `rollcall --install-completion` makes the
shell complete commands and options. `rollcall --version` prints the version.

With `--format json` a command prints one JSON array of flat objects to stdout and nothing else; logs and complaints
go to stderr. Times are ISO 8601 in UTC. In CSV a text that a spreadsheet would take for a formula begins with an
apostrophe. A table is drawn on a terminal only: in a pipe or a file it is a line a row, with tabs between the cells.
A report on a terminal shows as many columns as fit, the most telling first, with times to the minute, and names the
others.

| exit code | meaning |
| --- | --- |
| 0 | done |
| 1 | failed; stderr says why |
| 2 | wrong usage or settings; stderr names the option or setting and the remedy |
| 3 | done, but incomplete; what is missing is printed |
"""
_SHELL = {"help", "install_completion", "show_completion"}

Parameter = TyperArgument | TyperOption


def all_commands() -> dict[str, Any]:
    """Return every command that does something, by what is typed, such as ``rollcall report days``."""
    return dict(_walk("rollcall", typer.main.get_command(app)))


def commands_page() -> str:
    """Return docs/commands.md."""
    parts = [part for typed, command in all_commands().items() for part in _section(typed, command)]
    return page(GENERATED, "# Commands", _INTRODUCTION, *parts)


def _walk(typed: str, command: Any) -> Iterator[tuple[str, Any]]:
    if not isinstance(command, TyperGroup):
        yield typed, command
        return
    for name, inner in command.commands.items():
        if not inner.hidden:
            yield from _walk(f"{typed} {name}", inner)


def _section(typed: str, command: Any) -> Iterator[str]:
    parameters = [cast(Parameter, one) for one in command.params if one.name not in _SHELL and not one.hidden]
    arguments = [one for one in parameters if isinstance(one, TyperArgument)]
    hints = get_type_hints(command.callback, include_extras=False)
    yield f"## `{typed}`"
    yield code(" ".join([typed, *(_value(one, hints) for one in arguments), "[OPTIONS]"]))
    yield "\n\n".join(" ".join(paragraph.split()) for paragraph in (command.help or "").split("\n\n"))
    yield table(("argument or option", "default", "meaning"), (_row(one, hints) for one in parameters))


def _row(parameter: Parameter, hints: dict[str, Any]) -> tuple[str, str, str]:
    written = _value(parameter, hints)
    if isinstance(parameter, TyperOption):
        written = " ".join([", ".join([*parameter.opts, *parameter.secondary_opts]), written]).strip()
    default = parameter.default
    shown = "" if default is None or default is False else str(default.value if isinstance(default, Enum) else default)
    variable = f" Environment: `{parameter.envvar}`." if parameter.envvar else ""
    return code(written), "needed" if parameter.required else code(shown), f"{parameter.help or ''}{variable}"


def _value(parameter: Parameter, hints: dict[str, Any]) -> str:
    """Return what stands for the parameter's value; nothing for a switch."""
    if isinstance(parameter, TyperOption) and parameter.is_flag:
        return ""
    if parameter.metavar:
        return parameter.metavar
    kinds = [kind for kind in get_args(hints[parameter.name]) or (hints[parameter.name],) if kind is not type(None)]
    if isinstance(kinds[0], type) and issubclass(kinds[0], Enum):
        return "|".join(str(choice.value) for choice in kinds[0])
    return {int: "N", float: "N", datetime: "YYYY-MM-DD", Path: "PATH"}.get(kinds[0], "TEXT")
