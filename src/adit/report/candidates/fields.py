"""Columns of the candidates' tables: described fields, and default fields for all other columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from adit import columns
from adit.columns import Col, Metric, Protocol, flag
from adit.report.words import formats

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Field:
    """One column.

    Attributes:
        name: column of ``scores/<kind>``.
        type: number, flag, status, formula, id, code or text; for layout, sorting and filters.
        title: title of the column; empty: that of the registry.
        hint: meaning of the column.
        digits: decimals of a number.
        unit: unit of a number, shown after its title.
        shown: whether it is shown by default.
    """

    name: str
    type: str = "text"
    title: str = ""
    hint: str = ""
    digits: int = 0
    shown: bool = True
    unit: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the field as JSON for the page."""
        return {**asdict(self), "name": str(self.name), "title": self.title or formats.heading(self.name)}


def _of(column: Col, type: str = "text", digits: int = 0, *, shown: bool = True) -> Field:
    return Field(column, type, column.label, column.help, digits, shown, column.unit if digits else "")


def _flag(metric: Metric, hint: str = "") -> Field:
    return Field(flag(metric, Protocol.ADIT), "flag", metric.flag, hint or metric.help)


_COMMON: Final = (_of(Col.SYSTEM_ID, "id"), _of(Col.FORMULA, "formula"), _of(Col.N_ATOMS, "number"))
_WHY: Final = _of(Col.WHY_NOT)
_LOOKUP: Final = (
    *(_of(Col.IS_KNOWN), _of(Col.KNOWN_ID, "code", shown=False), _of(Col.KNOWN_SOURCE, shown=False)),
    *(_of(Col.KNOWN_ADDRESS, "code", shown=False), _of(Col.KNOWN_DATE, shown=False)),
    _of(Col.KNOWN_REASON, shown=False),
)

_CRYSTAL: Final = (
    *_COMMON,
    _of(Col.E_ABOVE_HULL, "number", 3),
    _of(Col.VERDICT),
    _of(Col.JOINT_VERDICT),
    _of(Col.JUDGE_E_ABOVE_HULL, "number", 3),
    _of(Col.MISSING_PAIRS, shown=False),
    _of(Col.FORMATION_ENERGY, "number", 3),
    _of(Col.OVERALL_VALIDITY, "flag"),
    _flag(Metric.UNIQUENESS, "protocol adit"),
    _flag(Metric.NOVELTY, "protocol adit"),
    _flag(Metric.STABLE),
    _flag(Metric.METASTABLE),
    _flag(Metric.SUN),
    _of(Col.SPACEGROUP, "number"),
    _of(Col.RELAXED_SPACEGROUP, "number"),
    _of(Col.NEAREST_KNOWN),
    _of(Col.NEAREST_FORMULA, "formula", shown=False),
    _of(Col.NEAREST_DISTANCE, "number", 2),
    *_LOOKUP,
    _of(Col.RMSD_MOVED, "number", 2),
    _of(Col.RELAX_STATUS, "status"),
    _of(Col.DFT_STATUS, "status"),
    _of(Col.DISTANCE_RATIO, "number", 2, shown=False),
    _WHY,
)

_MOF: Final = (*_COMMON, _of(Col.MOFCHECKER_ALL, "flag"), _of(Col.MOFCHECKER_STATUS, "status"), *_LOOKUP, _WHY)

_MOLECULE: Final = (
    *_COMMON,
    _of(Col.VALIDITY, "flag"),
    _of(Col.NEUTRAL_VALIDITY, "flag"),
    _of(Col.PDB_VALIDITY, "flag"),
    _of(Col.UNIQUE, "flag"),
    _of(Col.NOVEL, "flag"),
    _of(Col.POSEBUSTERS_COUNT, "number"),
    _of(Col.XTB_STATUS, "status"),
    _of(Col.XTB_SAME, "flag"),
    _of(Col.VALIDITY_AFTER, "flag", shown=False),
    _of(Col.STEREO_KEPT, "flag", shown=False),
    _of(Col.XTB_RMSD, "number", 2),
    _of(Col.XTB_ENERGY, "number", 2),
    _of(Col.STRAIN, "number", 2),
    _of(Col.GAP, "number", 2),
    _of(Col.DIPOLE, "number", 2),
    _of(Col.IONISATION, "number", 2, shown=False),
    _of(Col.AFFINITY, "number", 2, shown=False),
    _of(Col.ATOMISATION, "number", 2, shown=False),
    _of(Col.QED, "number", 2),
    _of(Col.SA_SCORE, "number", 1),
    _of(Col.LOGP, "number", 2),
    _of(Col.TPSA, "number", 1, shown=False),
    _of(Col.RINGS, "number", shown=False),
    _of(Col.DFT_STATUS, "status"),
    *_LOOKUP,
    _of(Col.SMILES, "code"),
    _WHY,
)

FIELDS: Final[dict[str, tuple[Field, ...]]] = {"crystal": _CRYSTAL, "molecule": _MOLECULE, "mof": _MOF}
"""Fields of each kind in the order of the table; fields without a column in the file are left out."""

PRESETS: Final[dict[str, tuple[tuple[str, dict[str, str]], ...]]] = {
    "crystal": (
        ("valid", {Col.OVERALL_VALIDITY: "yes"}),
        (
            "unique and novel",
            {flag(Metric.UNIQUENESS, Protocol.ADIT): "yes", flag(Metric.NOVELTY, Protocol.ADIT): "yes"},
        ),
        ("below the hull", {Col.E_ABOVE_HULL: "<0"}),
        ("metastable", {Col.E_ABOVE_HULL: "<0.1"}),
        ("S.U.N.", {flag(Metric.SUN, Protocol.ADIT): "yes"}),
        ("DFT converged", {Col.DFT_STATUS: "converged"}),
    ),
    "molecule": (
        ("valid", {Col.VALIDITY: "yes"}),
        ("valid and novel", {Col.VALIDITY: "yes", Col.NOVEL: "yes"}),
        ("bonds kept", {Col.XTB_SAME: "yes"}),
        ("not valid", {Col.VALIDITY: "no"}),
        ("DFT converged", {Col.DFT_STATUS: "converged"}),
    ),
    "mof": (("valid", {Col.MOFCHECKER_ALL: "yes"}), ("not valid", {Col.MOFCHECKER_ALL: "no"})),
}
"""Predefined filters: title, and conditions by column; filters on missing columns are left out."""

SURROGATE_MARK: Final = "*"
"""Suffix of the titles of columns and filters with a potential's energies on a hull of DFT energies."""

_KNOWN_HULL: Final = {str(Col.HULL_COVERS_CHEMISTRY): "yes"}

_STATUS: Final = ("status", "_status")


def is_flag(kind: str, name: str) -> bool:
    """Return whether a column of a kind is a flag: by its field, else unless its name begins with ``n_``."""
    named = {str(field.name): field.type for field in FIELDS.get(kind, _COMMON)}
    return named.get(name, "flag") == "flag" and not name.startswith("n_")


def fields(kind: str, frame: pd.DataFrame, first: Sequence[Field] = ()) -> list[Field]:
    """Return the fields of a frame: described ones first, then all other columns, hidden by default.

    Args:
        kind: crystal, molecule or mof.
        frame: one row per candidate.
        first: fields that only this table has; they follow the id.
    """
    described = FIELDS.get(kind, _COMMON)
    available = {
        field.name: field
        for plain in (*described[:1], *first, *described[1:])
        for field in (plain, *(_surrogate(plain, name) for name in _surrogates(plain.name, frame)))
    }
    present = [field for name, field in available.items() if name in frame and not _empty(frame[name])]
    others = [name for name in frame.columns if name not in available and not _empty(frame[name])]
    return present + [_guessed(str(name), frame[name]) for name in others]


def presets(kind: str, fields_shown: list[Field]) -> list[tuple[str, dict[str, str]]]:
    """Return the predefined filters of a kind whose columns exist; filters on stability also need a known hull.

    Args:
        kind: crystal, molecule or mof.
        fields_shown: fields of the table.
    """
    names = {str(field.name) for field in fields_shown}
    chosen = []
    for title, filters in PRESETS.get(kind, ()):
        stored = {columns.stored_as(name, names): condition for name, condition in filters.items()}
        if set(filters) <= names:
            chosen.append((title, {str(name): condition for name, condition in filters.items()}))
        elif set(stored) <= names:
            chosen.append((title + SURROGATE_MARK, stored))
    if Col.HULL_COVERS_CHEMISTRY not in names:
        return chosen
    return [(title, filters | (_KNOWN_HULL if _asks_hull(filters) else {})) for title, filters in chosen]


def _asks_hull(filters: Mapping[str, str]) -> bool:
    """Return whether filters contain stability, which needs a known hull."""
    return bool({columns.bare_name(name) for name in filters} & {Col.E_ABOVE_HULL, flag(Metric.SUN, Protocol.ADIT)})


def _surrogates(name: str, frame: pd.DataFrame) -> list[str]:
    """Return the columns of a frame with surrogates of a column."""
    return [str(n) for n in frame.columns if columns.potential_of(str(n)) and columns.bare_name(str(n)) == name]


def _surrogate(field: Field, name: str) -> Field:
    """Return a field for surrogate energies: its title is marked, and its hint names the potential."""
    method = f"{columns.potential_title(columns.potential_of(name))} energies on a DFT hull"
    return replace(field, name=name, title=field.title + SURROGATE_MARK, hint=f"{field.hint}; {method}")


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
