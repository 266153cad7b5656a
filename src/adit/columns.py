"""Every column and metric once: name in the files, title, unit and meaning; protocols; names of surrogate energies."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Final, Self

OF_VALID: Final = "_of_valid"
"""Suffix of every metric whose denominator is the valid systems and not the requested ones."""

SUFFIX_STEREO: Final = "_stereo"
"""Suffix of a metric that compares molecules by SMILES with stereochemistry."""

SUFFIX_INCHIKEY: Final = "_inchikey"
"""Suffix of a metric that compares molecules by InChIKey."""

EV_PER_ATOM: Final = "eV/atom"
"""Unit of most energies."""


def plain_words(name: str) -> str:
    """Return a name of a column or metric as words, e.g. ``energy/atom`` of ``energy_per_atom``."""
    return name.replace("posebusters_", "PoseBusters: ").replace("_per_atom", "/atom").replace("_", " ")


class Labelled(StrEnum):
    """A name in the files, with its title, unit and meaning.

    Attributes:
        label: title above a column or beside a number; by default the name in plain words.
        unit: unit of the numbers; empty if there is none.
        help: meaning, in one line.
        flag: for a metric, title of the column that says whether a row passes; by default the label.
    """

    label: str
    unit: str
    help: str
    flag: str

    def __new__(cls, name: str, label: str = "", unit: str = "", meaning: str = "", flag: str = "") -> Self:
        """Make a member from its name and its labels."""
        member = str.__new__(cls, name)
        member._value_ = name
        member.label = label or plain_words(name)
        member.unit, member.help, member.flag = unit, meaning, flag or member.label
        return member


class Population(Labelled):
    """Systems that are scored: the samples, or one of the controls."""

    SAMPLES = "samples"
    TRAIN = "train"
    TEST = "test"
    NOISE = "noise"
    RANDOM = "random"


CONTROLS: Final = (Population.TRAIN, Population.TEST, Population.NOISE, Population.RANDOM)
"""The control rows, in the order of tables."""


class Protocol(Labelled):
    """Set of definitions by which a metric is computed, named after its publication or tool."""

    ADIT = "adit", "ADiT", "", "the paper's definitions"
    FLOWMM = "flowmm", "FlowMM"
    MATTERGEN = "mattergen", "MatterGen"
    LEMAT = "lemat", "LeMat-GenBench"
    CRYSTALITE = "crystalite", "Crystalite"
    STRICT = "strict", "strict", "", "this project's own definitions"
    POSEBUSTERS = "posebusters", "PoseBusters"
    MOFCHECKER = "mofchecker", "MOFChecker"
    EDM = "edm", "EDM", "", "EDM's table of bond lengths"
    XTB = "xtb", "GFN2-xTB"


REQUESTED_PROTOCOLS: Final = (
    Protocol.ADIT,
    Protocol.FLOWMM,
    Protocol.MATTERGEN,
    Protocol.LEMAT,
    Protocol.CRYSTALITE,
    Protocol.STRICT,
)
"""Protocols that ``adit score --protocol`` can choose; the others belong to the tool that they name."""


class Metric(Labelled):
    """Metrics, by their names in the published tables if there are such."""

    STRUCTURAL_VALIDITY = "structural_validity"
    COMPOSITIONAL_VALIDITY = "compositional_validity"
    OVERALL_VALIDITY = "overall_validity"
    DISTANCE_RATIO_VALIDITY = "distance_ratio_validity"
    DENSITY_VALIDITY = "density_validity"
    SMACT_NATIVE_VALIDITY = "smact_native_validity", "smact native validity"
    VALIDITY = "validity"
    NEUTRAL_VALIDITY = "neutral_validity", "validity, no charged atom"
    PDB_VALIDITY = "adit_pdb_validity", "validity (PDB round trip)"
    UNIQUENESS = "uniqueness", "", "", "", "unique"
    NOVELTY = "novelty", "", "", "", "novel"
    NOVELTY_TO_TRAIN = "novelty_to_train"
    NOVELTY_TO_ALL = "novelty_to_all"
    COMPOSITION_UNIQUENESS = "composition_uniqueness"
    COMPOSITION_NOVELTY = "composition_novelty"
    UNIQUE_AND_NOVEL = "unique_and_novel"
    SPACEGROUP_P1 = "spacegroup_p1", "spacegroup P1"
    RELAXED_SPACEGROUP_P1 = "relaxed_spacegroup_p1"
    SPACEGROUP_RAISED = "spacegroup_raised_by_relaxation"
    RELAXED = "relaxed"
    STABLE = "stable", "", "", "below the hull, at least two elements"
    METASTABLE = "metastable", "", "", "less than 0.1 eV/atom above the hull", "meta"
    SUN = "sun", "S.U.N.", "", "stable, unique and novel"
    MSUN = "msun", "M.S.U.N.", "", "metastable, unique and novel"
    KNOWN_HULL = "known_hull", "hull known"
    KNOWN_HULL_STABLE = "known_hull_stable", "stable, hull known"
    KNOWN_HULL_SUN = "known_hull_sun", "S.U.N., hull known"
    JUDGE_STABLE = "stable_by_judge", "stable by the judge"
    JUDGE_SUN = "sun_by_judge", "S.U.N. by the judge"
    BOTH_STABLE = "stable_by_both", "stable by both potentials"
    BOTH_SUN = "sun_by_both", "S.U.N. by both potentials"
    DFT_CONVERGED = "dft_converged"
    DFT_CONVERGED_OF_SENT = "dft_converged_of_sent", "DFT converged, of those sent"
    POSEBUSTERS_ALL = "posebusters_all", "PoseBusters: all checks"
    POSEBUSTERS_SEVEN = "posebusters_paper_seven", "PoseBusters: the paper's seven"
    ATOM_STABILITY = "atom_stability"
    MOLECULE_STABILITY = "molecule_stability"
    XTB_KEPT = "xtb_relaxes_to_itself", "xTB relaxes to itself"
    XTB_ENERGY = "xtb_relaxation_energy", "", "eV"
    XTB_RMSD = "xtb_rmsd", "", "Å"
    MOFCHECKER_ALL = "mofchecker_all", "", "", "all checks of MOFChecker", "valid"


class Col(Labelled):
    """Columns of the stored tables; those without unit and meaning are flags, counts or texts, as the name says."""

    # every table
    SYSTEM_ID = "system_id", "id"
    STATUS = "status", "", "", "ok, converged, or another outcome, such as failed or timeout"
    REASON = "reason", "why not", "", "one line where status is not ok; several are joined by '; '"
    FORMULA = "formula", "", "", "reduced formula"
    N_ATOMS = "n_atoms", "atoms"
    SOURCE = "source", "", "", "file that a row came from"
    READ_NOTES = "read_notes", "", "", "notes on how a row was read"
    # relaxed/<kind>/<shard>.parquet, dft/<shard>.parquet
    ENERGY = "energy", "energy", "eV", "of the cell"
    ENERGY_PER_ATOM = "energy_per_atom", "energy", EV_PER_ATOM
    FMAX = "fmax", "fmax", "eV/Å", "largest force at the end"
    STEPS = "steps", "", "", "steps of the optimiser"
    N_STEPS = "n_steps", "steps", "", "steps of the optimiser"
    WALL_S = "wall_s", "wall time", "s"
    RMSD_MOVED = "rmsd_moved", "moved", "Å", "RMSD of the relaxation"
    SPACEGROUP_BEFORE = "spacegroup_before", "", "", "international number, 0 where none was found"
    SPACEGROUP_AFTER = "spacegroup_after", "", "", "international number, 0 where none was found"
    SYMMETRIZED = "symmetrized", "", "", "whether the relaxation of the symmetrised structure was kept"
    SYMMETRY_TOLERANCE = "symmetry_tolerance", "", "Å", "at which the symmetry of the start was found"
    SPACEGROUP_SYMMETRIZED = "spacegroup_symmetrized", "", "", "international number of the symmetrised start"
    SYMMETRIZED_ENERGY_DIFFERENCE = (
        "symmetrized_energy_difference",
        "",
        EV_PER_ATOM,
        "relaxed from the symmetrised start minus relaxed as given",
    )
    SYMMETRIZED_STEPS = "symmetrized_steps", "", "", "steps from the symmetrised start"
    SYMMETRIZED_WALL_S = "symmetrized_wall_s", "", "s", "wall time from the symmetrised start"
    SYMMETRIZED_SPACEGROUP_AFTER = (
        "symmetrized_spacegroup_after",
        "",
        "",
        "international number, relaxed from the symmetrised start",
    )
    RAW_SPACEGROUP = "raw_spacegroup_after", "", "", "international number, relaxed from the structure as given"
    RAW_STEPS = "raw_steps", "", "", "steps from the structure as given"
    RAW_WALL_S = "raw_wall_s", "", "s", "wall time from the structure as given"
    PUSHED_APART = "pushed_apart", "", "", "whether overlapping atoms were pushed apart first"
    ENERGY_TAG = "energy_tag", "", "", "method of the energy: <code>/<functional>/<correction>"
    CORRECTION = "correction", "", "eV", "part of the energy that is a correction"
    ATTEMPTS = "attempts"
    CODE = "code", "code"
    CODE_VERSION = "code_version", "version"
    FUNCTIONAL = "functional"
    PRESET = "preset"
    SETTINGS_HASH = "settings_hash", "settings, hash"
    WARNINGS = "warnings"
    # relaxed/molecule/<shard>.parquet, scores/molecule.parquet
    CHARGE = "total_charge", "", "e", "of the molecule: as in its file, else perceived from its geometry"
    UNPAIRED = "unpaired_electrons", "", "", "of the molecule: as in its file, else perceived from its geometry"
    BONDING_KEPT = "bonding_kept", "bonds kept", "", "same bonds (SMILES) before and after relaxation"
    STEREO_KEPT = "stereo_kept", "stereo kept", "", "same InChIKey before and after relaxation"
    FRAGMENTS = "fragments", "", "", "groups of atoms within bonding distance, after relaxation"
    VALIDITY_AFTER = "validity_after_relaxation", "valid relaxed", "", "strict validity of the relaxed geometry"
    RELAXED_SMILES = "relaxed_smiles", "", "", "canonical SMILES of the relaxed geometry"
    RELAXATION_ENERGY = "relaxation_energy", "E relax", "eV", "energy released by relaxation, GFN2-xTB"
    GAP = "homo_lumo_gap", "gap", "eV", "HOMO-LUMO gap, GFN2-xTB"
    DIPOLE = "dipole", "dipole", "D", "dipole moment, GFN2-xTB; none for ions"
    IONISATION = "ionisation_energy", "IE", "eV", "vertical, difference of GFN2-xTB energies"
    AFFINITY = "electron_affinity", "EA", "eV", "vertical, difference of GFN2-xTB energies"
    ATOMISATION = "atomisation_energy", "E atom", "eV", "to free atoms, GFN2-xTB, no zero-point energy"
    STRAIN = "strain", "strain", "eV", "above the lowest conformer found (ETKDG, GFN2-xTB)"
    CONFORMERS = "n_conformers", "", "", "number of conformers compared for the strain"
    QED = "qed", "QED", "", "drug-likeness, 0 to 1 (RDKit)"
    SA_SCORE = "sa_score", "SA", "", "synthetic accessibility, 1 easy to 10 hard (RDKit)"
    LOGP = "logp", "logP", "", "octanol-water, Crippen (RDKit)"
    TPSA = "tpsa", "TPSA", "Å²", "topological polar surface area (RDKit)"
    RINGS = "ring_count", "rings", "", "number of rings (RDKit)"
    # hull/reference.parquet, hull/hull.parquet
    ENTRY_ID = "entry_id"
    COMPOSITION = "composition", "", "", "atoms of each element, JSON"
    IS_ELEMENT = "is_element"
    HULL_TAG = "hull_tag", "", "", "method of the hull's energies"
    SURROGATE = "surrogate", "", "", "whether a potential's energy is on a hull of DFT energies"
    E_ABOVE_HULL = "e_above_hull", "E hull", EV_PER_ATOM, "energy above the hull"
    FORMATION_ENERGY = "formation_energy_per_atom", "E form", EV_PER_ATOM, "formation energy"
    HULL_COVERS_CHEMISTRY = "hull_covers_chemistry", "hull known", "", "every pair of its elements has a compound there"
    HULL_GAPS = "hull_gaps", "", "", "what the hull does not cover"
    MISSING_PAIRS = "missing_pairs", "", "", "pairs of its elements without a compound in the hull"
    VERDICT = "verdict", "", "", "stable, unstable, unknown hull, no energy"
    E_ABOVE_HULL_DIFFERENCE = "e_above_hull_difference", "", EV_PER_ATOM, "energy above the hull, judge minus run"
    JUDGE_E_ABOVE_HULL = "judge_e_above_hull", "E hull, judge", EV_PER_ATOM, "energy above the hull by the judge"
    JOINT_VERDICT = "joint_verdict", "by both", "", "stable by both, by one, by none, unknown hull, no energy"
    JUDGE_STATUS = "judge_status", "", "", "judged, not judged, or another outcome, such as failed"
    JUDGE_REASON = "judge_reason", "", "", "why the judge has no energy or no hull"
    STATIC_ENERGY_PER_ATOM = "static_energy_per_atom", "", EV_PER_ATOM, "of the crystal before relaxation by the judge"
    RELAXED_ENERGY_PER_ATOM = "relaxed_energy_per_atom", "", EV_PER_ATOM, "after relaxation by the judge"
    CORRECTION_PER_ATOM = "correction_per_atom", "", EV_PER_ATOM, "part of the energies that is a correction"
    HULL_REASON = "hull_reason", "", "", "why there is no energy above the hull"
    # dft/selected.parquet
    SELECTED = "selected"
    RANK = "rank", "", "", "from 0; -1 where it is not selected"
    PREDICTED_COST = "predicted_cost", "", "core s"
    # scores/<kind>.parquet
    N_ELEMENTS = "n_elements"
    VOLUME_PER_ATOM = "volume_per_atom", "", "Å³"
    DENSITY = "density", "", "g/cm³"
    MIN_DISTANCE = "min_distance", "", "Å", "smallest distance, periodic images of the atom itself included"
    DISTANCE_RATIO = "distance_ratio", "d/Σr", "", "smallest distance over the sum of covalent radii"
    NEAREST_KNOWN = (
        *("nearest_known", "nearest known", ""),
        "reference crystal of the same formula, else of the same elements",
    )
    NEAREST_FORMULA = "nearest_known_formula", "its formula", "", "of the nearest known crystal"
    NEAREST_DISTANCE = "nearest_known_distance", "apart", "Å", "difference of average minimum distances"
    SPACEGROUP = "spacegroup", "SG", "", "spacegroup as generated"
    RELAXED_SPACEGROUP = "relaxed_spacegroup", "→ SG", "", "spacegroup after relaxation"
    STRUCTURAL_VALIDITY = "structural_validity"
    COMPOSITIONAL_VALIDITY = "compositional_validity"
    OVERALL_VALIDITY = "overall_validity", "valid", "", "structural and compositional validity"
    DISTANCE_RATIO_VALIDITY = "distance_ratio_validity"
    DENSITY_VALIDITY = "density_validity"
    SMACT_NATIVE_VALIDITY = "smact_native_validity", "smact native validity"
    RELAX_STATUS = "relax_status", "relaxation"
    RELAX_REASON = "relax_reason"
    DFT_STATUS = "dft_status", "DFT"
    DFT_REASON = "dft_reason"
    VALIDITY = "validity", "valid", "", "strict: bonds fit charge 0, one fragment, no radical"
    NEUTRAL_VALIDITY = "neutral_validity", "neutral", "", "valid, and no atom is charged"
    PDB_VALIDITY = "adit_pdb_validity", "PDB", "", "the paper's PDB round trip"
    SMILES = "smiles", "SMILES", "", "canonical, without stereochemistry"
    STEREO_SMILES = "stereo_smiles", "", "", "canonical SMILES with the stereochemistry of the geometry"
    PDB_SMILES = "pdb_smiles"
    INCHIKEY = "inchikey"
    UNIQUE = "unique", "unique", "", "canonical SMILES differs from all others"
    NOVEL = "novel", "novel", "", "SMILES not in the training split"
    UNIQUE_PDB = "unique_pdb"
    UNIQUE_STEREO = "unique_stereo"
    UNIQUE_INCHIKEY = "unique_inchikey"
    NOVEL_STEREO = "novel_stereo"
    NOVEL_INCHIKEY = "novel_inchikey"
    POSEBUSTERS_STATUS = "posebusters_status", "", "", "ok, failed, or not_sent (over the configured number)"
    POSEBUSTERS_REASON = "posebusters_reason"
    EDM_STABLE_ATOMS = "edm_stable_atoms", "", "", "number of atoms whose bond orders add up to their valency"
    EDM_STABLE = "edm_molecule_stable"
    EDM_VALIDITY = "edm_validity"
    EDM_SMILES = "edm_smiles"
    EDM_UNIQUE = "edm_unique"
    XTB_STATUS = "xtb_status", "xTB", "", "converged, unconverged, failed, or not_sent (over the configured number)"
    XTB_REASON = "xtb_reason"
    XTB_ENERGY = "xtb_relaxation_energy", "E relax", "eV", "energy released by relaxation, GFN2-xTB"
    XTB_RMSD = "xtb_rmsd", "moved", "Å", "all atoms, after the best rotation"
    XTB_SAME = "xtb_same_molecule", "bonds kept", "", "same bonds (SMILES) after relaxation with GFN2-xTB"
    MOFCHECKER_ALL = "mofchecker_all", "valid", "", "all checks of MOFChecker"
    # stability/stability.parquet: of the structure relaxed tightly with its symmetry kept; stability/dos.parquet
    DYNAMICALLY_STABLE = "dynamically_stable", "dyn. stable", "", "no imaginary mode at Γ and at the zone boundary"
    IMAGINARY_GAMMA = "imaginary_at_gamma", "imag. at Γ", "", "a mode at Γ is imaginary beyond the tolerance"
    IMAGINARY_BOUNDARY = "imaginary_at_zone_boundary", "imag. at boundary", "", "a mode is, at a point that is checked"
    LOWEST_GAMMA = "lowest_frequency_at_gamma", "ν min Γ", "THz", "lowest of all modes; negative: imaginary"
    LOWEST_BOUNDARY = "lowest_frequency_at_zone_boundary", "ν min boundary", "THz", "negative: imaginary"
    BOUNDARY_POINTS = "zone_boundary_points", "points", "", "checked points of the zone boundary, at most 7"
    BULK_MODULUS = "bulk_modulus", "B", "GPa", "shape of the cell kept, atoms relaxed"
    PHONON_SUPERCELL = "phonon_supercell", "supercell", "", "of the primitive cell"
    DISPLACEMENTS = "n_displacements", "displacements", "", "displaced supercells whose forces were computed"
    FREQUENCY = "frequency", "ν", "THz", "negative: imaginary"
    DENSITY_OF_STATES = "density_of_states", "DOS", "1/THz", "of phonons, for each atom; its integral is 3"
    # known/known.parquet
    IS_KNOWN = "known", "known", "", "known, ordered-variant (of a known disordered phase), not-found or unknown"
    KNOWN_SOURCE = "known_source", "known to", "", "source of the match; without one, all sources that were asked"
    KNOWN_ID = "known_id", "known as", "", "id of the match"
    KNOWN_ADDRESS = "known_address", "", "", "address or file of the match"
    KNOWN_DATE = "known_date", "", "", "oldest date of the answers, UTC"
    KNOWN_REASON = "known_reason", "", "", "why the search in databases gave no answer, and other remarks"
    # columns that the report adds
    WHY_NOT = "why_not", "why not", "", "every reason that this row failed, was refused or was not sent"
    POSEBUSTERS_COUNT = "posebusters_count", "checks", "", "PoseBusters checks passed"
    POSEBUSTERS_PASSED = "posebusters_passed", "", "", "PoseBusters checks passed, of how many"
    MOFCHECKER_STATUS = "mofchecker_status", "MOFChecker"


METRICS: Final = frozenset(map(str, Metric))
"""Names of all metrics."""
COLUMNS: Final = frozenset(map(str, Col))
"""Names of all columns of ``Col``."""

ENERGIES: Final = (Col.E_ABOVE_HULL, Col.FORMATION_ENERGY)
"""Columns of energies (eV/atom) whose names have the potential if they are surrogates on a hull of DFT energies."""

_SURROGATE: Final = "_surrogate_"
POTENTIALS: Final = {
    "chgnet": "CHGNet",
    "sevennet": "SevenNet",
    "mace": "MACE",
    "orb": "ORB",
    "mattersim": "MatterSim",
}
"""Potentials whose energies can be surrogates on a hull of DFT energies: name in the files → name for display."""


def flag(metric: Metric, protocol: Protocol) -> str:
    """Return the column that holds a row's flag of a metric under a protocol, e.g. ``stable_adit``."""
    return f"{metric}_{protocol}"


def energies_name(name: str, potential: str) -> str:
    """Return the name in the files of a column or metric that is based on energies.

    It is the only place that adds the prefix of surrogates.

    Args:
        name: without a prefix, e.g. ``e_above_hull``.
        potential: potential whose energies are surrogates on a hull of DFT energies; empty for the hull's own method.
    """
    return f"{potential}{_SURROGATE}{name}" if potential else str(name)


def potential_of(name: str) -> str:
    """Return the potential in the name of a column or metric; empty if its energies are of the hull's own method."""
    return name.partition(_SURROGATE)[0] if _SURROGATE in name else ""


def bare_name(name: str) -> str:
    """Return the name of a metric or column without the prefix of a potential."""
    return name.rpartition(_SURROGATE)[2]


def stored_as(name: str, names: Iterable[str]) -> str:
    """Return the name of a column of energies among the ``names`` of a table: the surrogate's if there is one."""
    return next((str(each) for each in names if potential_of(str(each)) and bare_name(str(each)) == name), name)


def surrogate_title(potential: str) -> str:
    """Return the label of a potential's energies on a DFT hull: ``CHGNet surrogate``."""
    return f"{potential_title(potential)} surrogate"


def energies_title(title: str, potential: str) -> str:
    """Return the title of a column or metric that is based on energies: ``S.U.N. (CHGNet surrogate)``.

    Args:
        title: without a potential.
        potential: as of ``energies_name``.
    """
    return f"{title} ({surrogate_title(potential)})" if potential else title


def potential_title(potential: str) -> str:
    """Return a potential's name for display."""
    return POTENTIALS.get(potential, potential)


def metric_title(name: str) -> str:
    """Return the title of a metric, whose name may have a potential's prefix but no suffix."""
    bare = bare_name(name)
    return Metric(bare).label if bare in METRICS else plain_words(bare)


def column_title(name: str) -> str:
    """Return the title of a column."""
    return Col(name).label if name in COLUMNS else plain_words(name)


def step_title(step: str) -> str:
    """Return the title of a step of the funnel."""
    return "requested" if step == "asked" else step
