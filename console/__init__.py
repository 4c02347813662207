"""What people touch: the command line, the page, and the processes that they start."""
