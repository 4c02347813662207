"""``rollcall reconcile``, ``rollcall webhook`` and the checks that ask Jira."""
