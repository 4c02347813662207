"""The engine of `up` as a process of its own: what it is told, what it does, and the front's side of it."""
