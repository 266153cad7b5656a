"""Tables of the page: which columns of which file, in which order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from markupsafe import Markup

from adit.hull import energy_tags
from adit.report.run.inputs import Run
from adit.report.words import formats
from adit.report.words.cells import (
    Cell,
    Column,
    Table,
    code_cell,
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
"""Rows of a table in the page; the rest stays in the file that the page names."""


_ID = Column("system_id", id_cell, "id")
_FORMULA = Column("formula", formula_cell, hint="reduced")

_SURROGATES: Final = tuple(energy_tags.SURROGATE_PREFIX + name for name in energy_tags.ENERGIES)

_REASONS: Final = {
    "reason": "",
    "relax_reason": "relaxation: ",
    "hull_reason": "hull: ",
    "dft_reason": "DFT: ",
    "posebusters_reason": "PoseBusters: ",
}
"""Columns with reasons, and what opens each."""

DFT_COLUMNS: Final = (
    _ID,
    _FORMULA,
    Column("status", status_cell),
    Column("code", title="code"),
    Column("code_version", title="version"),
    Column("functional"),
    Column("preset", code_cell),
    Column("energy", number_cell(4), "energy, eV"),
    Column("energy_per_atom", number_cell(4), "energy, eV/atom"),
    Column("fmax", number_cell(3), "fmax, eV/Å", "largest force at the end"),
    Column("n_steps", number_cell(0), "steps"),
    Column("wall_s", seconds_cell, "wall time"),
    Column("e_above_hull", number_cell(3), "E hull, eV/atom", "of the pre-relaxation, not of this energy"),
    Column(
        energy_tags.SURROGATE_PREFIX + "e_above_hull",
        number_cell(3),
        "E hull (CHGNet surrogate), eV/atom",
        "of the pre-relaxation",
    ),
    Column("reason", reason_cell, "why not"),
    Column("warnings", reason_cell),
)


def from_frame(frame: pd.DataFrame, columns: Iterable[Column], limit: int = MAX_ROWS) -> Table:
    """Return the columns that a frame has and that are not empty throughout, at most ``limit`` rows."""
    shown = [c for c in columns if c.name in frame and not all(formats.is_missing(v) for v in frame[c.name])]
    heads = [(c.title or formats.heading(c.name), c.hint) for c in shown]
    records = frame.head(limit).to_dict("records")
    rows = [[column.show(record[column.name]) for column in shown] for record in records]
    return Table(heads, rows, max(0, len(frame) - limit))


def with_reasons(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with ``why_not``: the reasons of all stages in one text, each told once."""
    found = [name for name in _REASONS if name in frame]
    texts = []
    for values in frame[found].itertuples(index=False):
        told: list[str] = []
        for name, value in zip(found, values, strict=True):
            if not formats.is_missing(value) and not any(str(value) in other for other in told):
                told.append(f"{_REASONS[name]}{value}")
        texts.append("; ".join(told))
    return frame.assign(why_not=texts)


def posebusters_columns(frame: pd.DataFrame) -> list[str]:
    """Return the columns of single PoseBusters checks."""
    other = ("posebusters_status", "posebusters_reason", "posebusters_passed")
    return [name for name in frame.columns if str(name).startswith("posebusters_") and name not in other]


def with_posebusters(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with ``posebusters_passed``, e.g. ``9/12``; empty where the molecule was not sent."""
    checks = posebusters_columns(frame)
    if not checks:
        return frame
    frame = frame.copy()
    passed = frame[checks].fillna(False).astype(bool).sum(axis=1)
    texts = [f"{n}/{len(checks)}" for n in passed]
    if "posebusters_status" in frame:
        texts = [t if status == "ok" else "" for t, status in zip(texts, frame["posebusters_status"], strict=True)]
    frame["posebusters_passed"] = texts
    return frame


def dft(run: Run, records: Sequence[Record]) -> Table:
    """Return one row a structure that was sent to DFT."""
    import pandas as pd

    crystals = run.scores.get("crystal")
    known: dict[Any, Any] = {}
    if crystals is not None and "system_id" in crystals:
        known = crystals.drop_duplicates("system_id").set_index("system_id").to_dict("index")
    rows = []
    for record in records:
        sample = known.get(record.get("system_id"), {})
        energy = _SURROGATES[0] if _SURROGATES[0] in sample else "e_above_hull"
        extra = {"formula": formats.chemical(str(sample.get("formula") or "")), energy: sample.get(energy)}
        warnings = record.get("warnings")
        joined = "; ".join(map(str, warnings)) if isinstance(warnings, list | tuple) else warnings
        rows.append({**extra, **record, "warnings": joined})
    return from_frame(pd.DataFrame(rows), DFT_COLUMNS)


def reasons(steps: Sequence[Record]) -> Table:
    """Return what was lost at each step of a funnel, and why."""
    rows = []
    for step in steps:
        lost = step.get("reasons") or {}
        for reason, count in sorted(lost.items(), key=lambda item: (-item[1], item[0])):
            rows.append([text_cell(step.get("step")), number_cell(0)(count), text_cell(reason)])
    return Table([("lost before", ""), ("systems", ""), ("reason", "numbers in reasons are written #")], rows)


def pairs(values: Mapping[str, Any]) -> Table:
    """Return a table of names and values."""
    return Table([("", ""), ("", "")], [[text_cell(name), _plain_cell(value)] for name, value in values.items()])


def _plain_cell(value: Any) -> Cell:
    if isinstance(value, bool):
        return Cell("yes" if value else "no")
    return Cell(value) if isinstance(value, Markup) else text_cell(value)
