"""Runs a side's applications in-process and measures slices of work."""
