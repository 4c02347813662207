"""What the tests run on this machine's Java."""
