"""What holds between packages that do not know each other."""
