"""Symmetry of crystals in files: operators, Hall symbols, the settings of space groups, and the sites they make."""
