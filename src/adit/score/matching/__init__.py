"""Comparison of crystals: uniqueness, novelty and nearest known crystals."""
