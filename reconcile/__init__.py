"""The reconciler: asks Jira's REST API what the webhooks missed, and who there is; REST in, records on the log."""
