"""Contract and conformance tests for a spot exchange's Cancel Order endpoint."""

__version__ = "0.1.0"
