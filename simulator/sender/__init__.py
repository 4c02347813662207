"""Sends webhooks the way Jira Cloud does: 20 and 10 at a time, with its retries and its giving up."""
