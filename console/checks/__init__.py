"""``rollcall check``: what is wrong with this installation or at its Jira sites, and the remedy."""
