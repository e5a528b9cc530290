"""Drivers that generate: requests from the OpenAPI document, and sequences of operations."""
