"""Drivers that generate: requests from the OpenAPI document, and sequences of operations."""

import os
import tempfile
from pathlib import Path

# Hypothesis keeps caches in `.hypothesis` of the working directory, even without a database; a run leaves no such
# thing behind where it was started.
os.environ.setdefault(
    "HYPOTHESIS_STORAGE_DIRECTORY", str(Path(tempfile.gettempdir(), "spot-conformance-hypothesis"))
)
