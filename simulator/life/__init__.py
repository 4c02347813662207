"""What happens on the site: issues are born, live and are deleted, each from its own seed; and the truth about it."""
