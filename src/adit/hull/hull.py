"""Energies above the convex hull of reference entries.

Reads:  relaxed/<kind>/<shard>.parquet with the .arrow beside it, hull/reference.parquet
Writes: hull/hull.parquet
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from adit import store
from adit.columns import ENERGIES, Col, energies_name
from adit.config import HullStage
from adit.errors import DataError
from adit.hull.convex_hull import Hull, ReferenceEntry, lower_envelope
from adit.hull.energy_tables import EnergyTable, counts_of, identity_columns, read_energy_tables
from adit.hull.energy_tags import MP2020_TAG, potential_of_tag, surrogate_of
from adit.hull.reference_rows import composition_of, need_columns
from adit.hull.verdicts import Verdict, verdict
from adit.progress import Progress, log
from adit.readers import ReadSettings

__all__ = ["ENERGIES", "MP2020_TAG", "Hull", "ReferenceEntry", "hull", "lower_envelope", "read_reference"]

DECIMALS: Final = 9
"""Decimals of energies above the hull (eV/atom): rounding makes tiny numbers 0 on the hull."""

WHOLE: Final = ("mp-2023-02-07",)
"""Values of ``hull.reference`` that hold all known compounds, so that a pair of elements without one is no gap."""

_NO_ENERGY: Final = ("failed", "timeout", "refused")


def read_reference(path: Path) -> Hull:
    """Return the hull of a table of `adit stage reference` or `adit relax`; rows without an energy are left out.

    Raises:
        DataError: the file is missing or unreadable, the table is empty, lacks a column, has a composition that cannot
            be read, or holds energies of different methods.
    """
    frame, stored = _as_reference(path, store.read_frame(path)), store.read_metadata(path)
    bad = frame[Col.STATUS].isin(_NO_ENERGY) | ~np.isfinite(_numbers(frame[Col.ENERGY_PER_ATOM]))
    tags = sorted(set(map(str, frame[Col.HULL_TAG])))
    if not tags and "sources" in stored:
        return Hull(str(stored.get(Col.HULL_TAG) or ""), {}, {})  # of a run without a relaxed structure
    if not tags:
        raise DataError(f"{path}: has no reference entry; run `adit stage reference` again and see its log")
    if len(tags) > 1:
        raise DataError(f"{path}: entries tagged '{tags[0]}' and '{tags[1]}' cannot be on one hull; use one method")
    log.info("hull of %d entries (%d unusable), %s", len(frame) - int(bad.sum()), int(bad.sum()), tags[0])
    rows = zip(frame.loc[~bad, Col.COMPOSITION], frame.loc[~bad, Col.ENERGY_PER_ATOM], strict=True)
    entries = (ReferenceEntry(composition_of(path, text), float(energy)) for text, energy in rows)
    whole = frozenset(frozenset(map(str, system)) for system in stored.get("whole") or ())
    return replace(Hull.from_entries(tags[0], entries), complete=stored.get("reference") in WHOLE, whole=whole)


def _as_reference(path: Path, frame: Any) -> Any:
    """Return a table of reference entries: of `adit stage reference` unchanged, or the structures of `adit relax`."""
    if Col.HULL_TAG in frame and Col.COMPOSITION in frame:
        need_columns(path, frame)
        return frame
    (energies,) = read_energy_tables([path], None)
    table = energies.frame
    counts = [counts_of(record, energies.structures) for record in table.to_dict("records")]
    readable = [not isinstance(counted, str) for counted in counts]
    table = table.assign(hull_tag=table[Col.ENERGY_TAG], composition=[json.dumps(counted) for counted in counts])
    return table[readable]


def _numbers(values: Any) -> Any:
    """Return a column as numbers; NaN for other values."""
    import pandas as pd

    return pd.to_numeric(values, errors="coerce").astype(float)


def hull(
    stage: HullStage,
    relaxed: list[Path],
    reference: Path,
    out: Path,
    energy_tag: str | None = None,
    reading: ReadSettings | None = None,
    complete: Callable[[Hull, Sequence[frozenset[str]]], Hull] | None = None,
) -> None:
    """Compute energies above the hull for relaxed structures and write the table.

    The hull contains only the reference entries: no structure is part of it, and an energy may be below it
    (negative).

    Args:
        stage: slice of the configuration.
        relaxed: tables with ``system_id`` and ``energy_per_atom`` (eV/atom), and optionally ``status``, ``reason`` and
            ``energy_tag``; the structures are in the ``.arrow`` beside each, or a column ``formula`` replaces them. Or
            files of structures with an energy each.
        reference: ``hull/reference.parquet``.
        out: table, one row per structure: system_id, ``ENERGIES`` (NaN if unknown), hull_covers_chemistry, hull_gaps,
            missing_pairs, verdict, energy_tag, hull_tag, surrogate, reason, formula (Hill) and n_atoms (0 if unknown),
            for checks of joins.
        energy_tag: method of the energies whose table does not name it.
        reading: how files of structures are read.
        complete: function that adds compounds of missing pairs to the hull; see ``hull_of``.

    Raises:
        DataError: a file is missing or unreadable, holds no energies or does not name their method, or energies of
            different methods would be compared.
        ConfigError: an id occurs twice, or a table and the structures beside it contradict each other.
    """
    hull_of(stage, read_energy_tables(relaxed, energy_tag, reading), reference, out, complete)


def hull_of(
    stage: HullStage,
    tables: Sequence[EnergyTable],
    reference: Path,
    out: Path,
    complete: Callable[[Hull, Sequence[frozenset[str]]], Hull] | None = None,
) -> None:
    """Compute energies above the hull for tables in memory and write the table; see ``hull``.

    Args:
        stage: slice of the configuration.
        tables: the energies.
        reference: ``hull/reference.parquet``.
        out: the table.
        complete: function of the hull and the sets of elements of the structures, which returns the hull with compounds
            of the pairs that it lacks; see ``competing``.

    Raises:
        DataError: energies of different methods would be compared, or stand in one table as surrogate and as the
            hull's own.
    """
    import pandas as pd

    references = read_reference(reference) if any(len(table.frame) for table in tables) else Hull("", {}, {})
    if complete is not None and references.tag:
        references = complete(references, chemical_of(tables))
    progress = Progress("structures placed on the hull", sum(len(table.frame) for table in tables))
    rows: list[dict[str, Any]] = []
    for table in tables:
        for record in table.frame.to_dict("records"):
            counts = counts_of(record, table.structures)
            rows.append(_place(record, counts, references) | identity_columns(record, counts, table.structures))
            progress.update()
    frame = pd.DataFrame(rows, columns=[*_empty("", "", "", False), Col.FORMULA, Col.N_ATOMS]).astype(
        {Col.SURROGATE: bool, Col.HULL_COVERS_CHEMISTRY: bool}
    )
    metadata = {"reference": stage.hull.reference, Col.HULL_TAG: references.tag, "rows": len(frame)}
    placed = frame[frame[Col.E_ABOVE_HULL].notna()]
    potentials = _potentials(placed if len(placed) else frame)
    if len(potentials) > 1 and len(placed):
        raise DataError(f"{tables[0].path} and others: mix surrogate energies with energies of the hull's own method")
    potential = max(potentials, default="")
    frame = frame.rename(columns={name: energies_name(name, potential) for name in ENERGIES})
    store.write_frame(out, frame, metadata)
    log.info("%d of %d structures have an energy above the hull", len(placed), len(frame))
    gaps = int((~placed[Col.HULL_COVERS_CHEMISTRY]).sum())
    if gaps:
        log.info("%d of them have an unknown hull: pairs of elements without a compound, see missing_pairs", gaps)


def chemical_of(tables: Sequence[EnergyTable]) -> list[frozenset[str]]:
    """Return the set of elements of each structure with an energy."""
    good = [
        (record, table.structures)
        for table in tables
        for record in table.frame.to_dict("records")
        if record[Col.STATUS] not in _NO_ENERGY
    ]
    counts = [counts_of(record, structures) for record, structures in good]
    return [frozenset(each) for each in counts if not isinstance(each, str)]


def _potentials(rows: Any) -> set[str]:
    """Return the potentials of the rows' surrogate energies; "" for energies of the hull's own method."""
    tags = zip(rows[Col.ENERGY_TAG], rows[Col.SURROGATE], strict=True)
    return {potential_of_tag(str(tag)) if surrogate else "" for tag, surrogate in tags}


def _empty(system_id: str, energy_tag: str, hull_tag: str, surrogate: bool) -> dict[str, Any]:
    return {
        Col.SYSTEM_ID: system_id,
        **dict.fromkeys(ENERGIES, math.nan),
        Col.HULL_COVERS_CHEMISTRY: False,
        Col.HULL_GAPS: "",
        Col.MISSING_PAIRS: "",
        Col.VERDICT: str(Verdict.NO_ENERGY),
        Col.ENERGY_TAG: energy_tag,
        Col.HULL_TAG: hull_tag,
        Col.SURROGATE: surrogate,
        Col.REASON: "",
    }


def _energy(value: Any) -> tuple[float, str]:
    """Return an energy (eV/atom) and an empty text, or NaN and the reason."""
    try:
        return (math.nan if value is None else float(value)), "no energy"
    except (TypeError, ValueError):
        return math.nan, f"energy '{value}' is not a number"


def _place(record: Mapping[str, Any], counts: dict[str, float] | str, references: Hull) -> dict[str, Any]:
    """Return the row of one structure; incompatible tags are an error, every other problem is the row's reason."""
    energy, reason = _energy(record[Col.ENERGY_PER_ATOM])
    if record[Col.STATUS] in _NO_ENERGY or not math.isfinite(energy):
        why = str(record[Col.REASON] or reason)
        surrogate = bool(potential_of_tag(str(record[Col.ENERGY_TAG] or ""))) and references.tag == MP2020_TAG
        blank = _empty(record[Col.SYSTEM_ID], str(record[Col.ENERGY_TAG] or ""), references.tag, surrogate)
        return {**blank, Col.REASON: why}
    surrogate = bool(surrogate_of(str(record[Col.ENERGY_TAG]), references.tag))
    row = _empty(record[Col.SYSTEM_ID], str(record[Col.ENERGY_TAG]), references.tag, surrogate)
    if isinstance(counts, str):
        return {**row, Col.REASON: counts}
    gaps = references.gaps(frozenset(counts))
    missing = ", ".join(gaps)
    row |= {Col.HULL_COVERS_CHEMISTRY: not gaps, Col.HULL_GAPS: missing, Col.MISSING_PAIRS: missing}
    if gaps:
        row[Col.VERDICT] = str(Verdict.UNKNOWN_HULL)
    try:
        row[Col.E_ABOVE_HULL] = round(energy - references.energy_at(counts), DECIMALS) + 0.0
    except Exception as error:  # noqa: BLE001 - Qhull and pymatgen raise classes of their own; one row, one reason
        return {**row, Col.REASON: " ".join(str(error).split())[:300]}
    row[Col.VERDICT] = str(verdict(row[Col.E_ABOVE_HULL], len(counts), missing))
    of_elements = sum(n * references.elements[element] for element, n in counts.items()) / sum(counts.values())
    row[Col.FORMATION_ENERGY] = energy - of_elements
    return row
