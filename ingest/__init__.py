"""Webhook in, activity on the log: signatures, payload shapes, and the HTTP answers that Jira understands."""
