"""What is known about Jira Cloud, once for both readers: ingest takes its webhooks, reconcile queries REST."""
