"""What happens on the site: issues are born, live and die, each one a story told from its own seed."""
