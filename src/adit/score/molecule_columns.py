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


class MolMetric(StrEnum):
    """Metrics beside those of ``names.Metric``."""

    ATOM_STABILITY = "atom_stability"
    MOLECULE_STABILITY = "molecule_stability"


class MolProtocol(StrEnum):
    """Protocols beside those of ``names.Protocol``."""

    EDM = "edm"


SUFFIX_STEREO: Final = "_stereo"
"""Closes the name of a metric that tells molecules by SMILES with stereochemistry."""

SUFFIX_INCHIKEY: Final = "_inchikey"
"""Closes the name of a metric that tells molecules by InChIKey."""
