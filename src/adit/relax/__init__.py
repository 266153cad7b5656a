"""Relax room: CHGNet pre-relaxation, selection for DFT, DFT engines through atomate2, reference energies."""
