"""The cases, one file a chapter of the contract, and the pytest plugin that runs them."""
