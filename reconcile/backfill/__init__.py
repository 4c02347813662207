"""What happened in the window, from bulk endpoints; a call for one issue only where a cap forces it."""
