"""Benchmarks: what the product costs, each beside something to hold it against, in one run."""
