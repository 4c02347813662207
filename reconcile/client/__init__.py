"""Asks Jira's REST API: the one place that knows addresses, credentials, errors, limits and paging."""
