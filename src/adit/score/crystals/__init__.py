"""Scores of crystals."""
