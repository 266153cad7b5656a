"""Comparisons: of runs, of ablations, of sampling settings."""
