"""Values, tables and outcomes of a run as text."""
