"""Tables of the page: their columns and order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from markupsafe import Markup

from adit.columns import Col, energies_title, potential_of, stored_as
from adit.report.run.inputs import Run
from adit.report.words import formats
from adit.report.words.cells import (
    Cell,
    Column,
    Table,
    code_cell,
    flag_cell,
    formula_cell,
    id_cell,
    number_cell,
    reason_cell,
    seconds_cell,
    status_cell,
    text_cell,
)

if TYPE_CHECKING:
    import pandas as pd

Record = Mapping[str, Any]

MAX_ROWS: Final = 1000
"""Largest number of rows of a table in the page; the page names the file with all rows."""


def _of(name: Col, show: Callable[[Any], Cell] = text_cell, hint: str = "") -> Column:
    """Return a column with the title, unit and meaning of the registry."""
    titled_with_unit = bool(name.unit) and show is not seconds_cell
    return Column(name, show, f"{name.label}, {name.unit}" if titled_with_unit else name.label, hint)


_REASONS: Final = {
    Col.REASON: "",
    Col.RELAX_REASON: "relaxation: ",
    Col.HULL_REASON: "hull: ",
    Col.DFT_REASON: "DFT: ",
    Col.POSEBUSTERS_REASON: "PoseBusters: ",
}
"""Columns with reasons, and the prefix of each."""

DFT_COLUMNS: Final = (
    _of(Col.SYSTEM_ID, id_cell),
    _of(Col.FORMULA, formula_cell, "reduced"),
    _of(Col.STATUS, status_cell),
    _of(Col.CODE),
    _of(Col.CODE_VERSION),
    _of(Col.FUNCTIONAL),
    _of(Col.PRESET, code_cell),
    _of(Col.ENERGY, number_cell(4)),
    _of(Col.ENERGY_PER_ATOM, number_cell(4)),
    _of(Col.FMAX, number_cell(3), Col.FMAX.help),
    _of(Col.N_STEPS, number_cell(0)),
    _of(Col.WALL_S, seconds_cell),
    _of(Col.E_ABOVE_HULL, number_cell(3), "of the pre-relaxation, not of this energy"),
    _of(Col.REASON, reason_cell),
    _of(Col.WARNINGS, reason_cell),
)

STABILITY_COLUMNS: Final = (
    _of(Col.SYSTEM_ID, id_cell),
    _of(Col.FORMULA, formula_cell, "reduced"),
    _of(Col.STATUS, status_cell),
    _of(Col.DYNAMICALLY_STABLE, flag_cell, Col.DYNAMICALLY_STABLE.help),
    _of(Col.LOWEST_GAMMA, number_cell(2), Col.LOWEST_GAMMA.help),
    _of(Col.LOWEST_BOUNDARY, number_cell(2), Col.LOWEST_BOUNDARY.help),
    _of(Col.BOUNDARY_POINTS, number_cell(0), Col.BOUNDARY_POINTS.help),
    _of(Col.BULK_MODULUS, number_cell(0), Col.BULK_MODULUS.help),
    _of(Col.PHONON_SUPERCELL, text_cell, Col.PHONON_SUPERCELL.help),
    _of(Col.SPACEGROUP_AFTER, number_cell(0), Col.SPACEGROUP_AFTER.help),
    _of(Col.FMAX, number_cell(4), Col.FMAX.help),
    _of(Col.WALL_S, seconds_cell),
    _of(Col.REASON, reason_cell),
    _of(Col.WARNINGS, reason_cell),
)


def stability(frame: pd.DataFrame) -> Table:
    """Return one row per crystal whose phonons were computed."""
    if Col.FORMULA in frame:
        frame = frame.assign(
            **{Col.FORMULA: [formats.chemical(str(text)) if text else "" for text in frame[Col.FORMULA]]}
        )
    return from_frame(frame, STABILITY_COLUMNS)


def _dft_columns(energy: str) -> Sequence[Column]:
    """Return the columns of a table; ``energy`` is the name of its energy above the hull."""
    potential = potential_of(energy)
    if not potential:
        return DFT_COLUMNS
    title = f"{energies_title(Col.E_ABOVE_HULL.label, potential)}, {Col.E_ABOVE_HULL.unit}"
    surrogate = Column(energy, number_cell(3), title, "of the pre-relaxation")
    return [surrogate if column.name == Col.E_ABOVE_HULL else column for column in DFT_COLUMNS]


def from_frame(frame: pd.DataFrame, columns: Iterable[Column], limit: int = MAX_ROWS) -> Table:
    """Return a table of the columns that exist and are not empty, with at most ``limit`` rows.

    Args:
        frame: rows of a file.
        columns: columns in the order of the table.
        limit: largest number of rows; the number of the others is in ``Table.more``.
    """
    shown = [c for c in columns if c.name in frame and not all(formats.is_missing(v) for v in frame[c.name])]
    heads = [(c.title or formats.heading(c.name), c.hint) for c in shown]
    records = frame.head(limit).to_dict("records")
    rows = [[column.show(record[column.name]) for column in shown] for record in records]
    return Table(heads, rows, max(0, len(frame) - limit))


def with_reasons(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with ``why_not``: the reasons of all stages in one text, without repetitions."""
    columns = [name for name in _REASONS if name in frame]
    texts = []
    for values in frame[columns].itertuples(index=False):
        phrases: list[str] = []
        for name, value in zip(columns, values, strict=True):
            if not formats.is_missing(value) and not any(str(value) in other for other in phrases):
                phrases.append(f"{_REASONS[name]}{value}")
        texts.append("; ".join(phrases))
    return frame.assign(why_not=texts)


def posebusters_columns(frame: pd.DataFrame) -> list[str]:
    """Return the columns of single PoseBusters checks."""
    other = (Col.POSEBUSTERS_STATUS, Col.POSEBUSTERS_REASON, Col.POSEBUSTERS_PASSED)
    return [name for name in frame.columns if str(name).startswith("posebusters_") and name not in other]


def with_posebusters(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with ``posebusters_passed``, e.g. ``9/12``; empty where the molecule was not sent."""
    checks = posebusters_columns(frame)
    if not checks:
        return frame
    frame = frame.copy()
    passed = frame[checks].fillna(False).astype(bool).sum(axis=1)
    texts = [f"{n}/{len(checks)}" for n in passed]
    if Col.POSEBUSTERS_STATUS in frame:
        texts = [t if status == "ok" else "" for t, status in zip(texts, frame[Col.POSEBUSTERS_STATUS], strict=True)]
    frame[Col.POSEBUSTERS_PASSED] = texts
    return frame


def dft(run: Run, records: Sequence[Record]) -> Table:
    """Return one row per structure that was sent to DFT.

    Args:
        run: the run, whose scores give formula and energy above the hull (eV/atom).
        records: results of DFT.
    """
    import pandas as pd

    crystals = run.scores.get("crystal")
    rows_by_id: dict[Any, Any] = {}
    if crystals is not None and Col.SYSTEM_ID in crystals:
        rows_by_id = crystals.drop_duplicates(Col.SYSTEM_ID).set_index(Col.SYSTEM_ID).to_dict("index")
    energy = Col.E_ABOVE_HULL if crystals is None else stored_as(Col.E_ABOVE_HULL, crystals)
    rows = []
    for record in records:
        sample = rows_by_id.get(record.get(Col.SYSTEM_ID), {})
        extra = {Col.FORMULA: formats.chemical(str(sample.get(Col.FORMULA) or "")), energy: sample.get(energy)}
        warnings = record.get(Col.WARNINGS)
        joined = "; ".join(map(str, warnings)) if isinstance(warnings, list | tuple) else warnings
        rows.append({**extra, **record, Col.WARNINGS: joined})
    return from_frame(pd.DataFrame(rows), _dft_columns(energy))


def reasons(steps: Sequence[Record]) -> Table:
    """Return the number of systems that fail at each step of a funnel, by reason."""
    rows = []
    for step in steps:
        lost = step.get("reasons") or {}
        for reason, count in sorted(lost.items(), key=lambda item: (-item[1], item[0])):
            rows.append([text_cell(step.get("step")), number_cell(0)(count), text_cell(reason)])
    return Table([("lost before", ""), ("systems", ""), (Col.REASON, "numbers in reasons are written #")], rows)


def pairs(values: Mapping[str, Any]) -> Table:
    """Return a table of names and values."""
    return Table([("", ""), ("", "")], [[text_cell(name), _plain_cell(value)] for name, value in values.items()])


def _plain_cell(value: Any) -> Cell:
    if isinstance(value, bool):
        return Cell("yes" if value else "no")
    return Cell(value) if isinstance(value, Markup) else text_cell(value)
