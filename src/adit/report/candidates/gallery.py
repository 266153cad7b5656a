"""Best candidates: samples with pictures and properties."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from adit import columns, convert
from adit.columns import Col, Metric, Protocol
from adit.elements import composition, hill, reduced_formula
from adit.limits import PAIRWISE_ATOMS
from adit.report.candidates.pictures import ball_and_stick, bond_drawing, legend
from adit.report.figures.drawing import slug
from adit.report.run.inputs import Run, StructuresById, structures
from adit.report.words import formats
from adit.report.words.tables import with_posebusters
from adit.systems import AtomicSystem

if TYPE_CHECKING:
    import pandas as pd

Record = Mapping[str, Any]

ById = StructuresById | Mapping[str, AtomicSystem]
"""Structures by the id of their sample."""


@dataclass(frozen=True)
class Card:
    """One candidate.

    Attributes:
        system_id: id of the candidate.
        title: its formula.
        pictures: drawings, as SVG.
        badges: text and tone (``good``, ``fair``, ``bad`` or empty) of each badge.
        facts: label and value, with its unit, of each property.
        elements: symbol and CSS colour of each element.
        file: structure as a data URI, and its file name.
    """

    system_id: str
    title: Markup
    pictures: list[Markup]
    badges: list[tuple[str, str]]
    facts: list[tuple[str, str]]
    elements: list[tuple[str, str]] = field(default_factory=list)
    file: tuple[str, str] = ("", "")


def crystals(run: Run, limit: int, kind: str = "crystal") -> list[Card]:
    """Return the crystals lowest in energy above the hull; converged, valid ones with several elements come first.

    Without energies, valid ones come first.

    Args:
        run: the run.
        limit: largest number of cards.
        kind: crystal or mof.
    """
    frame = ranked(run, kind)
    if frame is None or not limit:
        return []
    structures_by_id = structures(run, "dft/[0-9]*.arrow", f"relaxed/{kind}/*.arrow", f"samples/{kind}/*.arrow")
    dft = {str(row.get(Col.SYSTEM_ID)): row for row in run.dft}
    return [
        _crystal(row, system, dft.get(system.system_id, {})) for row, system in _drawn(frame, structures_by_id, limit)
    ]


def ranked(run: Run, kind: str = "crystal") -> pd.DataFrame | None:
    """Return the scores of crystals in the order of the gallery; ``None`` where there are none."""
    frame = run.scores.get(kind)
    if frame is None or Col.SYSTEM_ID not in frame:
        return None
    if Col.E_ABOVE_HULL in frame and frame[Col.E_ABOVE_HULL].notna().any():
        return _best_first(frame[frame[Col.E_ABOVE_HULL].notna()])
    if Col.OVERALL_VALIDITY in frame:
        return frame.sort_values(Col.OVERALL_VALIDITY, ascending=False, kind="stable")
    return frame


def _best_first(frame: pd.DataFrame) -> pd.DataFrame:
    frame = covered_first(frame.sort_values(Col.E_ABOVE_HULL, kind="stable"))
    if Col.N_ELEMENTS in frame:  # as in the metrics, an element is not a stable compound
        frame = frame.sort_values(Col.N_ELEMENTS, key=lambda number: number == 1, kind="stable")
    if Col.OVERALL_VALIDITY in frame:
        frame = frame.sort_values(
            Col.OVERALL_VALIDITY, key=lambda flags: ~flags.fillna(False).astype(bool), kind="stable"
        )
    if Col.RELAX_STATUS in frame:  # an energy without convergence is an upper bound
        frame = frame.sort_values(Col.RELAX_STATUS, key=lambda status: status != "converged", kind="stable")
    return frame


def covered_first(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with unknown hulls last, since their energies above the hull mean little."""
    name = Col.HULL_COVERS_CHEMISTRY
    if name not in frame:
        return frame
    return frame.sort_values(name, key=lambda flags: ~flags.fillna(False).astype(bool), kind="stable")


def molecules(run: Run, limit: int) -> list[Card]:
    """Return valid molecules, sorted by passed PoseBusters checks and novelty; invalid ones if there are no others.

    Args:
        run: the run.
        limit: largest number of cards.
    """
    frame = _molecules_first(run)
    if frame is None or not limit:
        return []
    frame = _only(_only(frame, Col.VALIDITY), Col.UNIQUE)
    patterns = ("dft/molecules/*.arrow", "relaxed/molecule/*.arrow", "samples/molecule/*.arrow")
    return [_molecule(row, system) for row, system in _drawn(frame, structures(run, *patterns), limit)]


def _molecules_first(run: Run) -> pd.DataFrame | None:
    """Return the scores of molecules in the order of the gallery; ``None`` where there are none."""
    frame = run.scores.get("molecule")
    if frame is None or Col.SYSTEM_ID not in frame:
        return None
    frame = with_posebusters(frame)
    passed = [_passed(text) for text in frame[Col.POSEBUSTERS_PASSED]] if Col.POSEBUSTERS_PASSED in frame else 0
    frame = frame.assign(_passed=passed)
    keys = [k for k in (Col.NEUTRAL_VALIDITY, Col.PDB_VALIDITY, "_passed", Col.NOVEL, Col.N_ATOMS) if k in frame]
    return frame.sort_values(keys, ascending=False, kind="stable")


def chosen(run: Run, kind: str, structures_by_id: ById, limit: int) -> list[Card]:
    """Return cards of given structures, in the order of the gallery.

    Args:
        run: the run, with their scores.
        kind: crystal or molecule.
        structures_by_id: structures by the id of their sample.
        limit: largest number of cards.
    """
    frame = _molecules_first(run) if kind == "molecule" else ranked(run, kind)
    if frame is None:
        return []
    card = _molecule if kind == "molecule" else partial(_crystal, dft={})
    return [card(row, system) for row, system in _drawn(frame, structures_by_id, limit)]


def _only(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return the rows with a true flag; all rows if there is no such row or column."""
    if column not in frame:
        return frame
    kept = frame[frame[column].fillna(False).astype(bool)]
    return kept if len(kept) else frame


def _passed(text: Any) -> int:
    head = str(text).partition("/")[0]
    return int(head) if head.isdigit() else -1


def _drawn(frame: pd.DataFrame, structures_by_id: ById, limit: int) -> list[tuple[Record, AtomicSystem]]:
    chosen: list[tuple[Record, AtomicSystem]] = []
    for row in frame.to_dict("records"):
        if len(chosen) == limit:
            break
        system = structures_by_id.get(str(row[Col.SYSTEM_ID]))
        if system is not None and len(system) <= PAIRWISE_ATOMS:
            chosen.append((row, system))
    return chosen


def _crystal(row: Record, system: AtomicSystem, dft: Record) -> Card:
    energy = row.get(Col.E_ABOVE_HULL)
    potential = columns.potential_of(columns.stored_as(Col.E_ABOVE_HULL, row))
    facts = [
        (columns.energies_title("E above hull", potential), _unit(energy, 3, "eV/atom")),
        (columns.energies_title("formation energy", potential), _unit(row.get(Col.FORMATION_ENERGY), 3, "eV/atom")),
        ("spacegroup", f"{_group(row.get(Col.SPACEGROUP))} → {_group(row.get(Col.RELAXED_SPACEGROUP))}"),
        ("moved", _unit(row.get(Col.RMSD_MOVED), 2, "Å")),
        ("atoms", str(len(system))),
    ]
    if dft:
        names = [formats.code(str(dft[k])) for k in (Col.CODE, Col.FUNCTIONAL) if not formats.is_missing(dft.get(k))]
        code = " ".join(dict.fromkeys(names))
        facts += [
            (code or "DFT", str(dft.get(Col.STATUS, formats.MISSING))),
            ("its energy", _unit(dft.get(Col.ENERGY_PER_ATOM), 3, "eV/atom")),
        ]
    else:
        facts.append(("DFT", str(row.get(Col.DFT_STATUS) or "not sent").replace("_", " ")))
    return Card(
        system.system_id,
        formats.formula(formats.chemical(reduced_formula(system.numbers))),
        [ball_and_stick(system, f"pic-{slug(system.system_id)}")],
        _crystal_badges(row, energy),
        facts,
        legend(system),
        (_data_uri(convert.to_cif(system)), f"{slug(system.system_id)}.cif"),
    )


def _crystal_badges(row: Record, energy: Any) -> list[tuple[str, str]]:
    badges = []
    if missing := row.get(Col.MISSING_PAIRS):
        badges.append((f"unknown hull: {missing}", "bad"))
    if row.get(Col.RELAX_STATUS) not in (None, "converged"):
        badges.append((f"relaxation {row[Col.RELAX_STATUS]}", "bad"))
    covered = row.get(Col.HULL_COVERS_CHEMISTRY, True)
    if not formats.is_missing(energy) and row.get(Col.N_ELEMENTS) != 1 and covered:  # as in the metrics
        level = "below the hull" if energy < 0 else "metastable" if energy < 0.1 else ""
        badges += [(level, "good" if energy < 0 else "fair")] if level else []
    badges += [("valid", "good")] if _true(row.get(Col.OVERALL_VALIDITY)) else [("not valid", "bad")]
    if row.get(Col.N_ELEMENTS) == 1:
        badges.append(("single element", ""))
    for metric in (Metric.UNIQUENESS, Metric.NOVELTY):
        name, word = columns.flag(metric, Protocol.ADIT), metric.flag
        if name in row:
            badges.append((word, "good") if _true(row[name]) else (f"not {word}", ""))
    return badges


def _molecule(row: Record, system: AtomicSystem) -> Card:
    valid = _true(row.get(Col.VALIDITY))
    flat = bond_drawing(system) if valid else None  # an invalid sample may have bonds, but is no molecule
    solid = ball_and_stick(system, f"pic-{slug(system.system_id)}")
    facts = [("SMILES", str(row[Col.SMILES]))] if row.get(Col.SMILES) else []
    facts += [
        ("PoseBusters", str(row.get(Col.POSEBUSTERS_PASSED) or "not checked")),
        ("atoms", str(len(system))),
        *_properties(row),
    ]
    badges = [("valid", "good") if valid else ("not valid", "bad")]
    if not valid and not formats.is_missing(row.get(Col.REASON)):
        facts.append(("why", str(row[Col.REASON])))
    if valid and Col.NEUTRAL_VALIDITY in row:
        badges.append(("no charged atom", "good") if _true(row[Col.NEUTRAL_VALIDITY]) else ("charged atoms", "fair"))
    if valid and Col.NOVEL in row:
        badges.append(("novel", "good") if _true(row[Col.NOVEL]) else ("in the training set", ""))
    if row.get(Col.XTB_STATUS) == "converged":
        badges.append(("bonds kept", "good") if _true(row.get(Col.XTB_SAME)) else ("bonds changed by xTB", "fair"))
    elif row.get(Col.XTB_STATUS) not in (None, "not_sent"):
        badges.append((f"xTB {row[Col.XTB_STATUS]}", "bad"))
    return Card(
        system.system_id,
        formats.formula(hill(composition(system.numbers))),
        [flat, solid] if flat is not None else [solid],
        badges,
        facts,
        legend(system),
        (_data_uri(convert.to_xyz(system)), f"{slug(system.system_id)}.xyz"),
    )


def _properties(row: Record) -> list[tuple[str, str]]:
    """Return the properties that a card shows, those that are known."""
    shown = (
        *((Col.GAP, 2), (Col.DIPOLE, 2), (Col.STRAIN, 2), (Col.IONISATION, 1), (Col.AFFINITY, 1)),
        *((Col.QED, 2), (Col.SA_SCORE, 1), (Col.LOGP, 1)),
    )
    facts = [
        (f"{name.label}, GFN2-xTB" if name.unit else name.label, _unit(row[name], digits, name.unit).strip())
        for name, digits in shown
        if not formats.is_missing(row.get(name))
    ]
    if not formats.is_missing(row.get(Col.XTB_RMSD)):
        facts.append(("moved by xTB", _unit(row[Col.XTB_RMSD], 2, "Å")))
    if not formats.is_missing(row.get(Col.DFT_STATUS)):
        facts.append(("DFT", str(row[Col.DFT_STATUS])))
    return facts


def _true(value: Any) -> bool:
    return not formats.is_missing(value) and bool(value)


def _unit(value: Any, digits: int, unit: str) -> str:
    return formats.MISSING if formats.is_missing(value) else f"{formats.number(float(value), digits)} {unit}"


def _group(value: Any) -> str:
    return "none" if formats.is_missing(value) or not value else f"{int(value)}"


def _data_uri(text: str) -> str:
    return "data:text/plain;base64," + base64.b64encode(text.encode()).decode()
