"""What really happened, and what each source can know of it: the oracle of all tests."""
