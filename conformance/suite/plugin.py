"""The pytest plugin of the suite (filled in by the suite itself)."""
