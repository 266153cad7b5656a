"""Columns of the candidates' tables: what is known of each by its name, and what is guessed of the others."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from adit.hull import energy_tags
from adit.report.words import formats

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Field:
    """One column.

    Attributes:
        name: column of ``scores/<kind>``.
        type: number, flag, status, formula, id, code or text; decides how it looks, sorts and filters.
        title: its title; empty: the name in plain words.
        hint: unit or meaning.
        digits: decimals of a number.
        unit: of a number, as it stands beside its title.
        shown: whether it stands in the table before anyone chooses columns.
    """

    name: str
    type: str = "text"
    title: str = ""
    hint: str = ""
    digits: int = 0
    shown: bool = True
    unit: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the field as the page gets it."""
        return {**asdict(self), "title": self.title or formats.heading(self.name)}


_SURROGATE: Final = energy_tags.SURROGATE_PREFIX
_COMMON: Final = (
    Field("system_id", "id", "id"),
    Field("formula", "formula", hint="reduced formula"),
    Field("n_atoms", "number", "atoms"),
)
_WHY: Final = Field("why_not", "text", "why not", "every reason that this row failed, was refused or was not sent")

_CRYSTAL: Final = (
    *_COMMON,
    Field("e_above_hull", "number", "E hull", "energy above the hull", 3, unit="eV/atom"),
    Field(f"{_SURROGATE}e_above_hull", "number", "E hull*", "CHGNet energy on a DFT hull", 3, unit="eV/atom"),
    Field("formation_energy_per_atom", "number", "E form", "formation energy", 3, unit="eV/atom"),
    Field(
        f"{_SURROGATE}formation_energy_per_atom", "number", "E form*", "CHGNet energy, DFT elements", 3, unit="eV/atom"
    ),
    Field("overall_validity", "flag", "valid", "structural and compositional validity"),
    Field("uniqueness_adit", "flag", "unique", "protocol adit"),
    Field("novelty_adit", "flag", "novel", "protocol adit"),
    Field("stable_adit", "flag", "stable", "below the hull, at least two elements"),
    Field(f"{_SURROGATE}stable_adit", "flag", "stable*", "CHGNet energy below a DFT hull, at least two elements"),
    Field("metastable_adit", "flag", "meta", "less than 0.1 eV/atom above the hull"),
    Field(f"{_SURROGATE}metastable_adit", "flag", "meta*", "CHGNet energy less than 0.1 eV/atom above a DFT hull"),
    Field("sun_adit", "flag", "S.U.N.", "stable, unique and novel"),
    Field(f"{_SURROGATE}sun_adit", "flag", "S.U.N.*", "stable by CHGNet energies, unique and novel"),
    Field("spacegroup", "number", "SG", "spacegroup as generated"),
    Field("relaxed_spacegroup", "number", "→ SG", "spacegroup after relaxation"),
    Field("nearest_known", "text", "nearest known", "reference crystal of the same formula, else of the same elements"),
    Field("nearest_known_formula", "formula", "its formula", "of the nearest known crystal", shown=False),
    Field("nearest_known_distance", "number", "apart", "difference of average minimum distances", 2, unit="Å"),
    Field("rmsd_moved", "number", "moved", "RMSD of the relaxation", 2, unit="Å"),
    Field("relax_status", "status", "relaxation"),
    Field("dft_status", "status", "DFT"),
    Field("distance_ratio", "number", "d/Σr", "smallest distance over the sum of covalent radii", 2, shown=False),
    _WHY,
)

_MOF: Final = (
    *_COMMON,
    Field("mofchecker_all", "flag", "valid", "all checks of MOFChecker"),
    Field("mofchecker_status", "status", "MOFChecker"),
    _WHY,
)

_MOLECULE: Final = (
    *_COMMON,
    Field("validity", "flag", "valid", "strict: bonds fit charge 0, one fragment, no radical"),
    Field("neutral_validity", "flag", "neutral", "valid, and no atom is charged"),
    Field("adit_pdb_validity", "flag", "PDB", "the paper's PDB round trip"),
    Field("unique", "flag", hint="canonical SMILES differs from all others"),
    Field("novel", "flag", hint="SMILES not in the training split"),
    Field("posebusters_count", "number", "checks", "PoseBusters checks passed"),
    Field("smiles", "code", "SMILES"),
    _WHY,
)

KNOWN: Final[dict[str, tuple[Field, ...]]] = {"crystal": _CRYSTAL, "molecule": _MOLECULE, "mof": _MOF}
"""Fields of each kind in the order of the table; of those the file lacks nothing is shown."""

PRESETS: Final[dict[str, tuple[tuple[str, dict[str, str]], ...]]] = {
    "crystal": (
        ("valid", {"overall_validity": "yes"}),
        ("unique and novel", {"uniqueness_adit": "yes", "novelty_adit": "yes"}),
        ("below the hull", {"e_above_hull": "<0"}),
        ("metastable", {"e_above_hull": "<0.1"}),
        ("below the hull*", {f"{_SURROGATE}e_above_hull": "<0"}),
        ("metastable*", {f"{_SURROGATE}e_above_hull": "<0.1"}),
        ("S.U.N.", {"sun_adit": "yes"}),
        ("S.U.N.*", {f"{_SURROGATE}sun_adit": "yes"}),
        ("DFT converged", {"dft_status": "converged"}),
    ),
    "molecule": (
        ("valid", {"validity": "yes"}),
        ("valid and novel", {"validity": "yes", "novel": "yes"}),
        ("not valid", {"validity": "no"}),
    ),
    "mof": (("valid", {"mofchecker_all": "yes"}), ("not valid", {"mofchecker_all": "no"})),
}
"""Filters at one click: title, and the condition on each column; those on columns that are missing are left out."""

_STATUS: Final = ("status", "_status")


def fields(kind: str, frame: pd.DataFrame) -> list[Field]:
    """Return the fields of a frame: the known ones first, then every other column, hidden until it is chosen."""
    known = {field.name: field for field in KNOWN.get(kind, _COMMON)}
    found = [field for name, field in known.items() if name in frame and not _empty(frame[name])]
    others = [name for name in frame.columns if name not in known and not _empty(frame[name])]
    return found + [_guessed(str(name), frame[name]) for name in others]


def presets(kind: str, found: list[Field]) -> list[tuple[str, dict[str, str]]]:
    """Return the filters of a kind whose columns are there."""
    names = {field.name for field in found}
    return [(title, filters) for title, filters in PRESETS.get(kind, ()) if set(filters) <= names]


def _empty(values: pd.Series[Any]) -> bool:
    return all(formats.is_missing(value) for value in values)


def _guessed(name: str, values: pd.Series[Any]) -> Field:
    kinds = {type(value).__name__.removesuffix("_") for value in values if not formats.is_missing(value)}
    if kinds <= {"bool"}:
        return Field(name, "flag", shown=False)
    if values.dtype.kind in "iu":
        return Field(name, "number", shown=False)
    if values.dtype.kind == "f":
        return Field(name, "number", digits=3, shown=False)
    if name == _STATUS[0] or name.endswith(_STATUS[1]):
        return Field(name, "status", shown=False)
    return Field(name, "code" if "smiles" in name or name.endswith("_id") else "text", shown=False)
