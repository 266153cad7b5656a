"""The datasets, one file each, and what they share: records, provenance, tables."""
