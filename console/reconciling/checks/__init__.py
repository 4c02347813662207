"""The part of ``rollcall check`` that asks Jira."""

from console.reconciling.checks.sites import jira_findings

__all__ = ["jira_findings"]
