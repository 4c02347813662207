"""From Jira's answers to facts, by the same identity as ingest makes them from webhooks."""
