"""Relax many crystals with CHGNet: isolated workers, one result file each, from which a killed run goes on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from adit import store
from adit.errors import DataError
from adit.isolate import Outcome, map_isolated
from adit.progress import Progress, log
from adit.relax import chgnet
from adit.relax.chgnet import Limits, Relaxed
from adit.systems import AtomicSystem

_CODE = 1
"""Raised when ``chgnet.relax`` gives other results, so that cached ones are not taken."""


def relax_all(
    systems: Sequence[AtomicSystem],
    limits: Limits,
    *,
    wall_limit_s: float,
    workers: int,
    cache: Path | None = None,
    what: str = "structures",
) -> list[Relaxed]:
    """Relax every system and return the results in order; nothing one of them does can end the others.

    Args:
        systems: crystals.
        limits: when a relaxation ends.
        wall_limit_s: wall time of one structure, s; a longer one is killed and has status ``timeout``.
        workers: single-threaded processes at most.
        cache: folder for finished results; those found there are taken where settings and structure are the same.
        what: noun for the progress lines.
    """
    results: dict[int, Relaxed] = {}
    for index, system in enumerate(systems):
        found = _load(cache, system, limits)
        if found is not None:
            results[index] = found
    todo = [index for index in range(len(systems)) if index not in results]
    if results:
        log.info("%d of %d %s were relaxed before", len(results), len(systems), what)
    progress = Progress(what, len(systems), done=len(results))

    def take(position: int, outcome: Outcome) -> None:
        index = todo[position]
        results[index] = _from_outcome(outcome)
        if outcome.status == "ok":
            _save(cache, systems[index], limits, results[index])
        progress.update()

    map_isolated(
        chgnet.relax,
        [(systems[index], limits) for index in todo],
        workers=min(workers, max(1, len(todo))),
        wall_limit_s=wall_limit_s,
        on_result=take,
    )
    return [results[index] for index in range(len(systems))]


def _from_outcome(outcome: Outcome) -> Relaxed:
    if outcome.status == "ok":
        relaxed: Relaxed = outcome.value
        return relaxed
    return Relaxed("timeout" if outcome.status == "timeout" else "failed", outcome.reason, wall_s=outcome.wall_s)


def key(system: AtomicSystem, limits: Limits) -> str:
    """Return the hash of everything a relaxation depends on."""
    digest = hashlib.sha256(json.dumps([_CODE, chgnet.ENERGY_TAG, sorted(limits.__dict__.items())]).encode())
    for array in (system.numbers, system.positions, system.cell):
        digest.update(b"-" if array is None else np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _load(cache: Path | None, system: AtomicSystem, limits: Limits) -> Relaxed | None:
    if cache is None:
        return None
    path = cache / f"{key(system, limits)}.json"
    if not path.is_file():
        return None
    try:
        record = store.read_json(path)
        shape = record.pop("structure")
        numbers = {name: float("nan") if record[name] is None else record[name] for name in _SCALARS}
        relaxed = None
        if shape is not None:
            relaxed = AtomicSystem(
                system.system_id, system.kind, system.numbers, shape["positions"], shape["cell"], system.info
            )
        return Relaxed(record["status"], record["reason"], relaxed, steps=record["steps"], **numbers)
    except (DataError, KeyError, TypeError, AttributeError):
        log.warning("%s: unreadable, computed again", path)
        return None


_SCALARS = ("energy", "fmax", "wall_s", "rmsd_moved")


def _save(cache: Path | None, system: AtomicSystem, limits: Limits, result: Relaxed) -> None:
    if cache is None:
        return
    record = {name: getattr(result, name) for name in ("status", "reason", "steps")}
    for name in _SCALARS:
        value = float(getattr(result, name))
        record[name] = value if np.isfinite(value) else None
    final = result.system
    record["structure"] = None
    if final is not None and final.cell is not None:
        record["structure"] = {"positions": final.positions.tolist(), "cell": final.cell.tolist()}
    store.write_json(cache / f"{key(system, limits)}.json", record)


def annotated(result: Relaxed) -> AtomicSystem | None:
    """Return the relaxed system with its energy (eV/atom), the energy's tag and the status in ``info``."""
    if result.system is None:
        return None
    extra = {
        "energy_per_atom": result.energy_per_atom,
        "energy_tag": chgnet.ENERGY_TAG,
        "relax_status": result.status,
    }
    return replace(result.system, info={**result.system.info, **extra})
