"""Ion exchange with pymatgen's substitution probabilities: crystals and formulas that any model has to beat."""
