"""Checks of a machine before a run: each finding names what is missing and how to get it."""
