"""Energies above the convex hull of reference entries.

Reads:  relaxed/<kind>/<shard>.parquet with the .arrow beside it, hull/reference.parquet
Writes: hull/hull.parquet
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from adit import store
from adit.config import HullStage
from adit.elements import composition
from adit.errors import DataError
from adit.hull.convex_hull import Entry, Hull, lower_envelope
from adit.hull.energy_tags import MP2020_TAG, SURROGATE_PREFIX, is_surrogate
from adit.progress import Progress, log
from adit.systems import AtomicSystem

__all__ = ["ENERGIES", "MP2020_TAG", "Entry", "Hull", "hull", "is_surrogate", "lower_envelope", "read_reference"]

ENERGIES: Final = ("e_above_hull", "formation_energy_per_atom")
"""Columns in eV/atom; ``chgnet_surrogate_…`` where the energies are CHGNet's and the hull is DFT's."""

_NO_ENERGY: Final = ("failed", "timeout", "refused")


def read_reference(path: Path) -> Hull:
    """Read the reference entries, of `adit reference` or of `adit relax`; rows that failed are left out.

    Raises:
        DataError: the table is empty, or holds entries of different tags.
    """
    frame = _as_reference(path, store.read_frame(path))
    bad = frame["status"].isin(_NO_ENERGY) | ~np.isfinite(_numbers(frame["energy_per_atom"]))
    tags = sorted(set(frame["hull_tag"]))
    if not tags:
        raise DataError(f"{path}: has no reference entry; run `adit reference` again and see its log")
    if len(tags) > 1:
        raise DataError(f"{path}: entries tagged '{tags[0]}' and '{tags[1]}' cannot be on one hull; use one method")
    log.info("hull of %d entries (%d unusable), %s", len(frame) - int(bad.sum()), int(bad.sum()), tags[0])
    rows = zip(frame.loc[~bad, "composition"], frame.loc[~bad, "energy_per_atom"], strict=True)
    return Hull.from_entries(tags[0], (Entry(json.loads(text), float(energy)) for text, energy in rows))


def _as_reference(path: Path, frame: Any) -> Any:
    """Return a table of `adit reference`, or one of `adit relax`, whose structures become the entries of a hull."""
    if "hull_tag" in frame and "composition" in frame:
        return frame
    table = _read_table(path, None)
    structures = _structures(path)
    counts = [_counts(record, structures) for record in table.to_dict("records")]
    known = [not isinstance(found, str) for found in counts]
    table = table.assign(hull_tag=table["energy_tag"], composition=[json.dumps(found) for found in counts])
    return table[known]


def _numbers(values: Any) -> Any:
    """Return a column as numbers, NaN where it holds none."""
    import pandas as pd

    return pd.to_numeric(values, errors="coerce").astype(float)


def hull(stage: HullStage, relaxed: list[Path], reference: Path, out: Path, energy_tag: str | None = None) -> None:
    """Compute energies above the hull for relaxed structures and write the table.

    The hull is that of the reference entries alone: no structure is part of it, and an energy may be below it
    (negative).

    Args:
        stage: slice of the configuration.
        relaxed: tables with ``system_id`` and ``energy_per_atom`` (eV/atom), and ``status``, ``reason``, ``energy_tag``
            where there are such; the structures are in the ``.arrow`` beside each, or a column ``formula`` stands for
            them.
        reference: ``hull/reference.parquet``.
        out: the table, one row a structure: system_id, ``ENERGIES`` (NaN if unknown), hull_covers_chemistry, hull_gaps,
            energy_tag, hull_tag, surrogate, reason.
        energy_tag: the method of tables that do not say it.

    Raises:
        DataError: a file is missing, or energies of different methods would meet.
    """
    import pandas as pd

    tables = [(path, _read_table(path, energy_tag)) for path in relaxed]
    references = read_reference(reference) if any(len(table) for _, table in tables) else Hull("", {}, {})
    progress = Progress("structures placed on the hull", sum(len(table) for _, table in tables))
    rows: list[dict[str, Any]] = []
    for path, table in tables:
        structures = _structures(path)
        for record in table.to_dict("records"):
            rows.append(_place(record, _counts(record, structures), references))
            progress.update()
    frame = pd.DataFrame(rows, columns=list(_empty("", "", "", False))).astype(
        {"surrogate": bool, "hull_covers_chemistry": bool}
    )
    metadata = {"reference": stage.hull.reference, "hull_tag": references.tag, "rows": len(frame)}
    known = frame[frame["e_above_hull"].notna()]
    if known["surrogate"].nunique() > 1:
        raise DataError(f"{relaxed[0]} and others: mix surrogate energies with energies of the hull's own method")
    if (known if len(known) else frame)["surrogate"].any():
        frame = frame.rename(columns={name: f"{SURROGATE_PREFIX}{name}" for name in ENERGIES})
    store.write_frame(out, frame, metadata)
    log.info("%d of %d structures have an energy above the hull", len(known), len(frame))
    gaps = int((~known["hull_covers_chemistry"]).sum())
    if gaps:
        log.info("%d of them have a chemistry that the hull does not cover: see hull_gaps", gaps)


def _read_table(path: Path, energy_tag: str | None) -> Any:
    """Return a table with every column that is asked of it."""
    table = store.read_frame(path)
    missing = [name for name in ("system_id", "energy_per_atom") if name not in table]
    if missing:
        raise DataError(f"{path}: has no column {missing[0]}; give the table of `adit relax`, or one like it")
    if "energy_tag" not in table:
        if energy_tag is None:
            raise DataError(f"{path}: does not say whose energies it holds; give --energy-tag, e.g. '{MP2020_TAG}'")
        table["energy_tag"] = energy_tag
    for name, value in (("status", "converged"), ("reason", "")):
        if name not in table:
            table[name] = value
    if "formula" not in table and not path.with_suffix(".arrow").is_file():
        raise DataError(f"{path}: has no column formula, and no structures lie beside it ({path.stem}.arrow)")
    return table.astype({"system_id": str})


def _structures(path: Path) -> dict[str, Any]:
    beside = path.with_suffix(".arrow")
    return {row.system_id: row for row in store.read_systems(beside)} if beside.is_file() else {}


def _counts(record: Mapping[str, Any], structures: Mapping[str, Any]) -> dict[str, float] | str:
    """Return the composition of a row, or why there is none."""
    structure = structures.get(record["system_id"])
    if isinstance(structure, AtomicSystem):
        return {element: float(count) for element, count in composition(structure.numbers).items()}
    formula = record.get("formula")
    if not isinstance(formula, str) or not formula:
        return "relaxed structure is missing"
    from pymatgen.core import Composition

    try:
        parsed = Composition(formula)
        return {element.symbol: float(amount) for element, amount in parsed.items()}
    except (ValueError, KeyError, AttributeError) as error:
        return f"{formula}: is no formula ({' '.join(str(error).split())})"


def _empty(system_id: str, energy_tag: str, hull_tag: str, surrogate: bool) -> dict[str, Any]:
    return {
        "system_id": system_id,
        **dict.fromkeys(ENERGIES, math.nan),
        "hull_covers_chemistry": False,
        "hull_gaps": "",
        "energy_tag": energy_tag,
        "hull_tag": hull_tag,
        "surrogate": surrogate,
        "reason": "",
    }


def _energy(value: Any) -> tuple[float, str]:
    """Return an energy, NaN where there is none, and what to say then."""
    try:
        return (math.nan if value is None else float(value)), "no energy"
    except (TypeError, ValueError):
        return math.nan, f"energy '{value}' is no number"


def _place(record: Mapping[str, Any], counts: dict[str, float] | str, references: Hull) -> dict[str, Any]:
    """Return the row of one structure; tags that do not fit end the run, whatever else goes wrong is a reason."""
    energy, told = _energy(record["energy_per_atom"])
    if record["status"] in _NO_ENERGY or not math.isfinite(energy):
        why = str(record["reason"] or told)
        surrogate = str(record["energy_tag"] or "").startswith("chgnet-") and references.tag == MP2020_TAG
        blank = _empty(record["system_id"], str(record["energy_tag"] or ""), references.tag, surrogate)
        return {**blank, "reason": why}
    surrogate = is_surrogate(str(record["energy_tag"]), references.tag)
    row = _empty(record["system_id"], str(record["energy_tag"]), references.tag, surrogate)
    if isinstance(counts, str):
        return {**row, "reason": counts}
    gaps = references.gaps(frozenset(counts))
    row |= {"hull_covers_chemistry": not gaps, "hull_gaps": ", ".join(gaps)}
    try:
        row["e_above_hull"] = energy - references.energy_at(counts)
    except Exception as error:  # noqa: BLE001 - Qhull and pymatgen raise classes of their own; one row, one reason
        return {**row, "reason": " ".join(str(error).split())[:300]}
    of_elements = sum(n * references.elements[element] for element, n in counts.items()) / sum(counts.values())
    row["formation_energy_per_atom"] = energy - of_elements
    return row
