"""Lanes: what takes turns in a run, one for each side and variant."""
