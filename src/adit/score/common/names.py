"""Names of metrics, protocols, populations and columns: the one place that spells them."""

from __future__ import annotations

from enum import StrEnum

OF_VALID = "_of_valid"
"""Closes the name of every metric whose denominator is the valid systems and not those asked for."""


class Population(StrEnum):
    """What was scored: the samples, or one of the control rows."""

    SAMPLES = "samples"
    TRAIN = "train"
    TEST = "test"
    NOISE = "noise"
    RANDOM = "random"


CONTROLS = (Population.TRAIN, Population.TEST, Population.NOISE, Population.RANDOM)
"""The control rows, in the order of tables."""


class Protocol(StrEnum):
    """Whose definitions decide a number; ``ANY`` where the protocols agree."""

    ADIT = "adit"
    FLOWMM = "flowmm"
    MATTERGEN = "mattergen"
    LEMAT = "lemat"
    STRICT = "strict"
    POSEBUSTERS = "posebusters"


class Metric(StrEnum):
    """Names of metrics, as in the published tables where those have one."""

    STRUCTURAL_VALIDITY = "structural_validity"
    COMPOSITIONAL_VALIDITY = "compositional_validity"
    OVERALL_VALIDITY = "overall_validity"
    DISTANCE_RATIO_VALIDITY = "distance_ratio_validity"
    DENSITY_VALIDITY = "density_validity"
    SMACT_NATIVE_VALIDITY = "smact_native_validity"
    VALIDITY = "validity"
    NEUTRAL_VALIDITY = "neutral_validity"
    PDB_VALIDITY = "adit_pdb_validity"
    UNIQUENESS = "uniqueness"
    NOVELTY = "novelty"
    NOVELTY_TO_TRAIN = "novelty_to_train"
    NOVELTY_TO_ALL = "novelty_to_all"
    COMPOSITION_UNIQUENESS = "composition_uniqueness"
    COMPOSITION_NOVELTY = "composition_novelty"
    UNIQUE_AND_NOVEL = "unique_and_novel"
    SPACEGROUP_P1 = "spacegroup_p1"
    RELAXED_SPACEGROUP_P1 = "relaxed_spacegroup_p1"
    SPACEGROUP_RAISED = "spacegroup_raised_by_relaxation"
    RELAXED = "relaxed"
    STABLE = "stable"
    METASTABLE = "metastable"
    SUN = "sun"
    MSUN = "msun"
    DFT_CONVERGED = "dft_converged"
    POSEBUSTERS_ALL = "posebusters_all"
    POSEBUSTERS_SEVEN = "posebusters_paper_seven"


POSEBUSTERS_COLUMNS = (
    "mol_pred_loaded",
    "sanitization",
    "inchi_convertible",
    "all_atoms_connected",
    "no_radicals",
    "bond_lengths",
    "bond_angles",
    "internal_steric_clash",
    "aromatic_ring_flatness",
    "non-aromatic_ring_non-flatness",
    "double_bond_flatness",
    "internal_energy",
)
"""PoseBusters 0.6, ``config="mol"``; other versions have other columns, so they are named one by one."""

POSEBUSTERS_SEVEN = (
    "all_atoms_connected",
    "bond_lengths",
    "bond_angles",
    "aromatic_ring_flatness",
    "double_bond_flatness",
    "internal_energy",
    "internal_steric_clash",
)
"""The columns that the paper reports."""


def posebusters_name(column: str) -> str:
    """Return the column and metric name of a PoseBusters check."""
    return f"posebusters_{column}"


class Col(StrEnum):
    """Columns of ``scores/crystal`` and ``scores/molecule``; booleans unless a unit says otherwise."""

    SYSTEM_ID = "system_id"
    STATUS = "status"
    """ok; failed: no system, or its checks did not end; not_checked: what checks it is not installed."""
    REASON = "reason"
    """why ``status`` is failed; several joined by ``; ``."""
    FORMULA = "formula"
    N_ATOMS = "n_atoms"
    N_ELEMENTS = "n_elements"
    VOLUME_PER_ATOM = "volume_per_atom"
    """Å³."""
    DENSITY = "density"
    """g/cm³."""
    MIN_DISTANCE = "min_distance"
    """Å, periodic images of the atom itself included."""
    DISTANCE_RATIO = "distance_ratio"
    """smallest distance over the sum of covalent radii."""
    NEAREST_KNOWN = "nearest_known"
    """id of the nearest reference crystal of the same formula, else of the same elements; empty where there is none."""
    NEAREST_FORMULA = "nearest_known_formula"
    NEAREST_DISTANCE = "nearest_known_distance"
    """Å, largest difference of the average minimum distances."""
    SPACEGROUP = "spacegroup"
    """international number, 0 where none was found."""
    RELAXED_SPACEGROUP = "relaxed_spacegroup"
    STRUCTURAL_VALIDITY = "structural_validity"
    COMPOSITIONAL_VALIDITY = "compositional_validity"
    OVERALL_VALIDITY = "overall_validity"
    DISTANCE_RATIO_VALIDITY = "distance_ratio_validity"
    DENSITY_VALIDITY = "density_validity"
    SMACT_NATIVE_VALIDITY = "smact_native_validity"
    RELAX_STATUS = "relax_status"
    RELAX_REASON = "relax_reason"
    RMSD_MOVED = "rmsd_moved"
    """Å."""
    E_ABOVE_HULL = "e_above_hull"
    """eV/atom, NaN where unknown."""
    FORMATION_ENERGY = "formation_energy_per_atom"
    """eV/atom."""
    HULL_COVERS_CHEMISTRY = "hull_covers_chemistry"
    HULL_GAPS = "hull_gaps"
    HULL_REASON = "hull_reason"
    DFT_STATUS = "dft_status"
    DFT_REASON = "dft_reason"
    VALIDITY = "validity"
    NEUTRAL_VALIDITY = "neutral_validity"
    PDB_VALIDITY = "adit_pdb_validity"
    SMILES = "smiles"
    PDB_SMILES = "pdb_smiles"
    UNIQUE = "unique"
    NOVEL = "novel"
    UNIQUE_PDB = "unique_pdb"
    POSEBUSTERS_STATUS = "posebusters_status"
    """ok, failed, or not_sent (over the configured number)."""
    POSEBUSTERS_REASON = "posebusters_reason"


def flag(metric: Metric, protocol: Protocol) -> str:
    """Return the column that holds a row's flag of a metric under a protocol, e.g. ``stable_adit``."""
    return f"{metric}_{protocol}"
