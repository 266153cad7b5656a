"""Which crystals are the same: uniqueness, novelty and nearest known crystals."""
