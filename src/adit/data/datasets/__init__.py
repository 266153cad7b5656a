"""The datasets, one file each, and their common parts: records, provenance, tables."""
