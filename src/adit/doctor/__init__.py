"""Checks of a machine before a run: each finding says what is missing and how to get it."""
