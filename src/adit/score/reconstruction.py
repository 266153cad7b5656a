"""Match rate and RMSD of reconstructed systems against their originals. Source: Table 5."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from adit.columns import Col
from adit.errors import DataError
from adit.isolate import map_isolated
from adit.progress import Progress, log
from adit.score.matching.matcher import LOOSE, rms_distance
from adit.store import read_systems, write_frame, write_json
from adit.systems import AtomicSystem, Failure

MOLECULE_TOLERANCES = (0.05, 0.1, 0.3)
"""Largest RMSD of a matching molecule with correct atom types, Å."""


def compare(original: AtomicSystem, decoded: AtomicSystem) -> dict[str, Any]:
    """Return ``types``, ``match``, ``rmsd`` and, for crystals, ``rmsd_normalised`` of a reconstruction.

    ``types`` is the share of atoms whose element is right. ``rmsd`` is in Å. For crystals it is pymatgen's, over the
    best match with periodic images (NaN without a match), and ``rmsd_normalised`` is the same over (V/n)^(1/3). For
    molecules it is that of the best rotation, atoms in their order; a match needs the right elements and at most 0.3 Å.

    Args:
        original: a system.
        decoded: its reconstruction, with the same number of atoms.
    """
    types = float(np.mean(original.numbers == decoded.numbers))
    if original.cell is not None:
        distance = rms_distance(original, decoded, LOOSE)
        scale = (original.volume / len(original)) ** (1.0 / 3.0)
        rmsd, normalised = (math.nan, math.nan) if distance is None else (distance * scale, distance)
        return {"types": types, "match": distance is not None, "rmsd": rmsd, "rmsd_normalised": normalised}
    rmsd = kabsch_rmsd(original.positions, decoded.positions)
    return {"types": types, "match": types == 1.0 and rmsd <= MOLECULE_TOLERANCES[-1], "rmsd": rmsd}


def kabsch_rmsd(a: np.ndarray, b: np.ndarray) -> float:
    """Return the root-mean-square distance (Å) of two point sets (n, 3) after the best proper rotation.

    Source: W. Kabsch, Acta Cryst. A 32, 922 (1976).
    """
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    u, _, vt = np.linalg.svd(a.T @ b)
    flip = np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ vt)) or 1.0])
    return float(np.sqrt(np.mean(((a @ u @ flip @ vt) - b) ** 2 * 3)))


def _compare(pair: tuple[AtomicSystem, AtomicSystem]) -> dict[str, Any]:
    return compare(*pair)


def score_reconstruction(originals: Path, split: str, decoded: Path, out: Path, workers: int) -> dict[str, Any]:
    """Write one row per system (``out``.csv) and the summary (``out``.json), and return the summary.

    A comparison that takes more than 60 s is a failure.

    Args:
        originals: prepared dataset.
        split: the split that was reconstructed.
        decoded: reconstructions, with the originals' ids.
        out: path without its suffix.
        workers: largest number of processes.

    Raises:
        DataError: a file is missing or broken, there is no reconstruction, or one has no original in the split.
    """
    table = read_systems(decoded)
    by_id = {system.system_id: system for system in read_systems(originals).systems(split)}
    rows = list(table)
    if not rows:
        raise DataError(f"{decoded}: has no reconstruction; run `adit reconstruct` again")
    others = [row.system_id for row in rows if row.system_id not in by_id]
    if others:
        raise DataError(
            f"{decoded}: {len(others)} of {len(rows)} systems are not in the split '{split}' of {originals} "
            f"(e.g. {others[0]}); give the dataset and the split of the reconstructions"
        )
    pairs = [(by_id[row.system_id], row) for row in rows if isinstance(row, AtomicSystem)]
    progress = Progress("comparisons", len(pairs))
    outcomes = map_isolated(_compare, pairs, workers=workers, wall_limit_s=60.0, on_result=lambda *_: progress.update())
    records = [
        {Col.SYSTEM_ID: row.system_id, Col.STATUS: "failed", Col.REASON: row.reason}
        for row in rows
        if isinstance(row, Failure)
    ]
    for (original, _), outcome in zip(pairs, outcomes, strict=True):
        values = outcome.value if outcome.status == "ok" else {}
        records.append(
            {Col.SYSTEM_ID: original.system_id, Col.STATUS: outcome.status, Col.REASON: outcome.reason, **values}
        )
    frame = pd.DataFrame(records)
    for column in ("types", "match", "rmsd"):
        frame[column] = frame.get(column, math.nan)  # missing if no system was decoded
    summary = {**summarise(frame), "dataset": originals.stem, "split": split, **table.metadata}
    write_frame(out.with_suffix(".csv"), frame)
    write_json(out.with_suffix(".json"), summary)
    for name, value in summary.items():
        log.info("%s: %s", name, value)
    return summary


def summarise(frame: pd.DataFrame) -> dict[str, Any]:
    """Return match rate (over all systems, failures included) and mean RMSD (over matches, Å) by their names.

    Args:
        frame: a row per system with the columns of ``compare``; at least one row.
    """
    matched = frame[frame["match"].fillna(False).astype(bool)]
    right = frame[frame["types"] == 1.0]
    summary: dict[str, Any] = {
        "systems": len(frame),
        "match rate": _round(len(matched) / len(frame)),
        "RMSD of matches, Å": _round(matched["rmsd"].mean()),
        "atom types right": _round(frame["types"].mean()),
        "systems whose types are all right": _round(len(right) / len(frame)),
    }
    if "rmsd_normalised" in frame:
        summary["RMSD of matches over (V/n)^(1/3)"] = _round(matched["rmsd_normalised"].mean())
    else:
        for tolerance in MOLECULE_TOLERANCES:
            within: Sequence[bool] = right["rmsd"] <= tolerance
            summary[f"match rate at {tolerance} Å"] = _round(float(np.sum(within)) / len(frame))
    return summary


def _round(value: float) -> float | None:
    return None if math.isnan(value) else round(float(value), 5)
