"""Runs beside each other: comparisons, ablations, tuning of sampling."""
