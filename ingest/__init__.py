"""Webhook in, activity on the log: signatures, payloads, and the HTTP answers that Jira understands."""
