"""Tests that a sample must pass to be kept, in their order; the first that it fails is its reason."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from adit.columns import ENERGIES, Col, Metric, Protocol, flag, stored_as
from adit.elements import ATOMIC_NUMBER
from adit.systems import Kind

Record = Mapping[str, Any]
"""A row of ``scores/<kind>.parquet``."""


@dataclass(frozen=True)
class Filter:
    """A test of a row.

    Attributes:
        name: property that a row needs, e.g. ``valid``.
        columns: columns that it reads; for a column of energies, that of a surrogate is read if there is no other.
        passes: returns whether a row passes, from the values of the columns.
    """

    name: str
    columns: tuple[str, ...]
    passes: Callable[..., bool]


def is_true(value: Any) -> bool:
    """Return whether a value of a table is neither missing nor false."""
    return value is not None and value == value and bool(value)


CRYSTAL: Final = (
    Filter("valid", (Col.OVERALL_VALIDITY, Col.DISTANCE_RATIO_VALIDITY), lambda *v: all(map(is_true, v))),
    Filter("relaxed", (Col.RELAX_STATUS,), lambda status: status == "converged"),
    Filter("on a known hull", (Col.HULL_COVERS_CHEMISTRY,), is_true),
    Filter("metastable", (flag(Metric.METASTABLE, Protocol.ADIT),), is_true),
    Filter("unique and novel", (flag(Metric.MSUN, Protocol.ADIT),), is_true),
)
"""Filters of crystals; uniqueness and novelty are those of the relaxed structure, by the protocol ``adit``."""

MOLECULE: Final = (
    Filter("valid", (Col.VALIDITY,), is_true),
    Filter("neutral", (Col.NEUTRAL_VALIDITY,), is_true),
    Filter("unique", (Col.UNIQUE,), is_true),
    Filter("novel", (Col.NOVEL,), is_true),
    Filter("relaxed", (Col.XTB_STATUS,), lambda status: status == "converged"),
    Filter("unchanged by relaxation", (Col.XTB_SAME,), is_true),
)
"""Filters of molecules."""

FILTERS: Final[Mapping[Kind, Sequence[Filter]]] = {Kind.CRYSTAL: CRYSTAL, Kind.MOLECULE: MOLECULE}
"""Filters by kind; MOFs are not kept."""

KEPT: Final = "kept"
"""Decision of a row that passes every test."""

OWN: Final = "not as rounds.keep says"
"""Decision of a row that does not fulfil the user's condition."""


def missing_columns(kind: Kind, names: Sequence[str]) -> list[str]:
    """Return the columns that the filters of a kind need and a table lacks."""
    needed = [column for each in FILTERS[kind] for column in each.columns]
    return [column for column in needed if stored_as(column, names) not in names]


def with_elements(record: Record) -> dict[str, Any]:
    """Return a row with ``has_<symbol>`` for each element, and its energies under their plain names too."""
    names = list(map(str, record))
    formula = record.get(Col.FORMULA)
    parts = set(re.findall(r"[A-Z][a-z]?", formula)) if isinstance(formula, str) else set()
    energies = {str(name): record[stored] for name in ENERGIES if (stored := stored_as(name, names)) in record}
    return {**record, **energies, **{f"has_{symbol}": symbol in parts for symbol in ATOMIC_NUMBER}}


def decision(kind: Kind, record: Record) -> str:
    """Return ``KEPT``, or the first test that a row fails as ``not <name>``."""
    names = list(map(str, record))
    for each in FILTERS[kind]:
        if not each.passes(*(record.get(stored_as(column, names)) for column in each.columns)):
            return f"not {each.name}"
    return KEPT
