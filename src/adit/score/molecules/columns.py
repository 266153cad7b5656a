"""Names of what only molecules have: columns of ``scores/molecule`` and metrics of ``summary.json``."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class MolCol(StrEnum):
    """Columns beside those of ``names.Col``; booleans unless a unit says otherwise."""

    STEREO_SMILES = "stereo_smiles"
    """canonical SMILES with the stereochemistry of the geometry."""
    INCHIKEY = "inchikey"
    UNIQUE_STEREO = "unique_stereo"
    UNIQUE_INCHIKEY = "unique_inchikey"
    NOVEL_STEREO = "novel_stereo"
    NOVEL_INCHIKEY = "novel_inchikey"
    EDM_STABLE_ATOMS = "edm_stable_atoms"
    """number of atoms whose bond orders add up to their valency."""
    EDM_STABLE = "edm_molecule_stable"
    EDM_VALIDITY = "edm_validity"
    EDM_SMILES = "edm_smiles"
    EDM_UNIQUE = "edm_unique"
    XTB_STATUS = "xtb_status"
    """converged, unconverged, failed, or not_sent (over the configured number)."""
    XTB_REASON = "xtb_reason"
    XTB_ENERGY = "xtb_relaxation_energy"
    """eV, NaN where unknown."""
    XTB_RMSD = "xtb_rmsd"
    """Å, all atoms, after the best rotation."""
    XTB_SAME = "xtb_same_molecule"


class MolMetric(StrEnum):
    """Metrics beside those of ``names.Metric``."""

    ATOM_STABILITY = "atom_stability"
    MOLECULE_STABILITY = "molecule_stability"
    XTB_KEPT = "xtb_relaxes_to_itself"
    XTB_ENERGY = "xtb_relaxation_energy"
    XTB_RMSD = "xtb_rmsd"


class MolProtocol(StrEnum):
    """Protocols beside those of ``names.Protocol``."""

    EDM = "edm"
    XTB = "xtb"


SUFFIX_STEREO: Final = "_stereo"
"""Closes the name of a metric that tells molecules by SMILES with stereochemistry."""

SUFFIX_INCHIKEY: Final = "_inchikey"
"""Closes the name of a metric that tells molecules by InChIKey."""
