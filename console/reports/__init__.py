"""The reports: what each shows and where it comes from."""
