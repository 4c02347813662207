"""How a run that was interrupted, even by kill -9, goes on where it was."""
