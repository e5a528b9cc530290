"""Commands of the command line that stand on their own: init, plan and cleanup."""
