"""Phonons and bulk modulus of single crystals, by any potential."""
