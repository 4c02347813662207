"""``rollcall check``."""

from typing import Annotated

import typer

from console.checks.finding import Finding
from console.checks.local import local_findings
from console.command import DONE, FAILED, Config, require_tokens, run
from console.formats import Format, print_rows
from console.reconciling.checks.sites import jira_findings
from rollcall.settings import Settings

_COLUMNS = ("subject", "ok", "found", "remedy")


def check(
    local: Annotated[bool, typer.Option("--local", help="Leave Jira out.")] = False,
    form: Annotated[Format, typer.Option("--format", help="How to print.")] = Format.TABLE,
    config: Config = None,
) -> None:
    """Look at settings, event log, warehouse, clock and the Jira sites, and say what to do about what is wrong."""

    async def body(settings: Settings) -> int:
        if not local:
            require_tokens(settings)
        findings = [finding async for finding in local_findings(settings)]
        if not local:
            findings += [finding async for finding in jira_findings(settings)]
        print_rows([_row(finding) for finding in findings], _COLUMNS, form)
        return DONE if all(finding.ok for finding in findings) else FAILED

    run(config, body)


def _row(finding: Finding) -> dict[str, object]:
    return {"subject": finding.subject, "ok": finding.ok, "found": finding.found, "remedy": finding.remedy}
