"""Acts as webhooks: bodies in the shape of captures from Jira Cloud, headers and signature."""
