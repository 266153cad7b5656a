"""Values, tables and outcomes of a run in words."""
