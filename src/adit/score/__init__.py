"""Score room: validity, uniqueness, novelty, stability, external checks, and rates with intervals."""
