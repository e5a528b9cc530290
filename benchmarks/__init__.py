"""Measures what the suite's own code costs, side by side with its peers: `python -m benchmarks`."""
