"""Relax room: pre-relaxation with learned potentials, the judge, selection for DFT, DFT engines through atomate2."""
