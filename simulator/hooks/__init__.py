"""Webhooks: acts as bodies in the shape of captures from Jira Cloud, sent the way Jira Cloud does, with its retries."""
