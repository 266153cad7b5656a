"""The candidates of all runs in one SQLite file: duplicates merged, states of what was done with each, lineage."""
