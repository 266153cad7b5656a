"""Candidates as data scripts beside the page: a table of all samples, and their structures in parts loaded on demand.

Writes: report/data/<kind>.js, report/data/<kind>-<part>.js

A page that is opened from disk cannot fetch files, but it can load scripts.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from adit import columns, store
from adit.columns import Col, Metric
from adit.elements import composition, hill, symbol
from adit.limits import PAIRWISE_ATOMS
from adit.progress import Progress
from adit.report.candidates import fields, frames
from adit.report.candidates.pictures import css_colour
from adit.report.run.inputs import Run, StructuresById, structures
from adit.report.words import formats
from adit.report.words.outcome import method, relaxer
from adit.report.words.tables import posebusters_columns, with_reasons

if TYPE_CHECKING:
    import pandas as pd

CHUNK: Final = 200
"""Number of candidates whose structures are in one script."""


@dataclass(frozen=True)
class Written:
    """Properties of a written table for the page.

    Attributes:
        rows: number of rows.
        presets: predefined filters, with title and conditions.
        formats: file formats of a selection.
    """

    rows: int
    presets: Sequence[tuple[str, dict[str, str]]]
    formats: Sequence[str]


def write(run: Run, kind: str, folder: Path) -> Written | None:
    """Write the scripts of a kind; return ``None`` if it has no scores.

    Args:
        run: the run.
        kind: crystal, molecule or mof.
        folder: folder of the scripts.
    """
    frame = run.scores.get(kind)
    if frame is None or Col.SYSTEM_ID not in frame:
        return None
    frame = ordered(kind, frame)
    parts = _parts(run, kind, frame)
    if kind == "molecule" and Col.FORMULA in frame:
        frame[Col.FORMULA] = [_hill(one, text) for one, text in zip(chain(*parts), frame[Col.FORMULA], strict=True)]
    return write_table(kind, frame, parts, folder)


def write_table(
    kind: str,
    frame: pd.DataFrame,
    parts: Sequence[Sequence[Sequence[dict[str, Any]]]],
    folder: Path,
    first: Sequence[fields.Field] = (),
) -> Written:
    """Write the scripts of a table and of its structures.

    Args:
        kind: crystal, molecule or mof.
        frame: one row per candidate, in the order of the table.
        parts: frames of each row's structures, ``CHUNK`` rows per part.
        folder: folder of the scripts.
        first: columns that only this table has; they follow the id.
    """
    columns_shown = fields.fields(kind, frame, first)
    held = sorted({int(z) for part in parts for rows in part for one in rows for z in one["z"]})
    data = {
        "rows": len(frame),
        "chunk": CHUNK,
        "columns": [field.to_json() for field in columns_shown],
        "values": {field.name: column(field, frame[field.name].tolist()) for field in columns_shown},
        "elements": {z: [symbol(z), css_colour(z)] for z in held},
    }
    store.write_text(folder / f"{kind}.js", script("adit.table", kind, data))
    for number, part in enumerate(parts):
        store.write_text(folder / f"{kind}-{number}.js", script("adit.structures", kind, number, part))
    return Written(
        len(frame),
        fields.presets(kind, columns_shown),
        ("csv", "sdf", "xyz") if kind == "molecule" else ("csv", "cif", "xyz"),
    )


def _hill(steps: Sequence[dict[str, Any]], text: Any) -> Any:
    """Return the formula of a molecule; without a structure, the one in the scores."""
    return hill(composition(steps[0]["z"])) if steps else text


def ordered(kind: str, frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows sorted from best to failures, with columns of reasons and of PoseBusters' counts.

    Args:
        kind: crystal, molecule or mof.
        frame: one row per candidate.
    """
    frame = with_reasons(frame)
    checks = posebusters_columns(frame)
    if checks:
        counts = frame[checks].fillna(False).astype(bool).sum(axis=1)
        sent = frame[Col.POSEBUSTERS_STATUS] == "ok" if Col.POSEBUSTERS_STATUS in frame else counts >= 0
        frame = frame.assign(posebusters_count=counts.where(sent))
    if kind != "molecule" and Col.FORMULA in frame:
        frame[Col.FORMULA] = [formats.chemical(str(text)) if text else text for text in frame[Col.FORMULA]]
    keys = [k for k in {"molecule": (Col.VALIDITY, Col.NOVEL)}.get(kind, (Col.E_ABOVE_HULL,)) if k in frame]
    if keys:
        frame = frame.sort_values(keys, ascending=kind != "molecule", kind="stable", na_position="last")
    if kind == "crystal" and {Col.HULL_COVERS_CHEMISTRY, Col.E_ABOVE_HULL} <= set(frame):
        covered = frame[Col.HULL_COVERS_CHEMISTRY].fillna(False).astype(bool)
        # an unknown hull ranks above no known one
        rank = frame[Col.E_ABOVE_HULL].isna().astype(int) * 2 + (~covered).astype(int)
        frame = without_claims(frame.loc[rank.sort_values(kind="stable").index], covered)
    twice = [name for name in columns.ENERGIES if columns.stored_as(name, frame) != name and name in frame]
    return frame.drop(columns=twice).reset_index(drop=True)


def without_claims(frame: pd.DataFrame, covered: pd.Series) -> pd.DataFrame:
    """Return the rows without flags of stability (``None``) where the hull is unknown: there, stability is undecided.

    Args:
        frame: one row per crystal.
        covered: for each row, by its index, whether its hull is known.
    """
    flags = {
        columns.flag(metric, protocol)
        for metric in (Metric.STABLE, Metric.METASTABLE, Metric.SUN, Metric.MSUN)
        for protocol in columns.Protocol
    }
    names = [name for name in frame.columns if columns.bare_name(str(name)) in flags]
    blank = {name: frame[name].astype(object).where(covered.reindex(frame.index), None) for name in names}
    return frame.assign(**blank)


def column(field: fields.Field, values: Sequence[Any]) -> list[Any]:
    """Return the values of a column for JSON: flags as 0 and 1, numbers rounded, ``None`` for missing values."""
    if field.type == "flag":
        return [None if formats.is_missing(value) else int(bool(value)) for value in values]
    if field.type == "number":
        return [_number(value, field.digits) for value in values]
    return [None if formats.is_missing(value) else str(value) for value in values]


def _number(value: Any, digits: int) -> float | int | None:
    if formats.is_missing(value) or abs(value) == float("inf"):
        return None
    return round(float(value), digits + 2) if digits else int(value)


def _parts(run: Run, kind: str, frame: pd.DataFrame) -> list[list[list[dict[str, Any]]]]:
    generated = structures(run, f"samples/{kind}/*.arrow")
    later = _relaxed(run, kind)
    valid = frame[Col.VALIDITY].fillna(False).astype(bool) if Col.VALIDITY in frame else frame[Col.SYSTEM_ID].isna()
    progress = Progress(f"structures of {kind}s", len(frame))
    rows = []
    for system_id, bonded in zip(frame[Col.SYSTEM_ID].astype(str), valid, strict=True):
        system = generated.get(system_id)
        if kind == "molecule":
            drawn = system if system is not None and len(system) <= PAIRWISE_ATOMS else None
            steps = [("generated", drawn), *((label, structure.get(system_id)) for label, structure in later)]
            rows.append(frames.molecule_path(steps, bonded=bool(bonded)) if drawn is not None else [])
        else:
            steps = [("generated", system), *((label, structure.get(system_id)) for label, structure in later)]
            rows.append(frames.path(steps))
        progress.update()
    return [rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK)]


def _relaxed(run: Run, kind: str) -> list[tuple[str, StructuresById]]:
    if kind == "molecule":
        relaxed, dft = structures(run, "relaxed/molecule/*.arrow"), structures(run, "dft/molecules/*.arrow")
        return [("GFN2-xTB", relaxed), (method(run), dft)]
    stages = [(relaxer(run), structures(run, f"relaxed/{kind}/*.arrow"))]
    return [*stages, (method(run), structures(run, "dft/[0-9]*.arrow"))] if kind == "crystal" else stages


def script(function: str, *arguments: Any) -> str:
    """Return a script that calls ``window.<function>``; texts are escaped so that none ends the script or a line.

    Raises:
        ValueError: a number is not finite.
    """
    texts = [json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":")) for value in arguments]
    return f"window.{function}({','.join(texts)});\n".replace("<", "\\u003c")
