"""Dead letters: look at what Rollcall could not understand, and try again after a fix."""
