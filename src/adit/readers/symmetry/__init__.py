"""Symmetry of crystals in files: operators, Hall symbols, settings of space groups, and orbits of sites."""
