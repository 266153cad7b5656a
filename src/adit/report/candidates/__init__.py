"""Candidates: tables of all samples, pictures and structures for the viewer."""
