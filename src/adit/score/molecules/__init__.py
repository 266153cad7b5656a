"""Scores of molecules."""
