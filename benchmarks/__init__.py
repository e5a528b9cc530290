"""Measures what the suite's own code costs, side by side with what it can be compared with: `python -m benchmarks`."""
