"""Hostile input for every reader: `python -m tests.fuzz`, and a short run in the suite."""
