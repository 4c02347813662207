"""``rollcall check``: what is wrong with this installation, and the remedy."""
