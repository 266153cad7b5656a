"""Relax many crystals with CHGNet: isolated workers, one result file each, from which a killed run resumes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from adit.errors import ExternalToolError
from adit.isolate import Outcome, map_isolated
from adit.progress import Progress, log
from adit.relax.potentials import chgnet
from adit.relax.potentials.chgnet_calculator import network
from adit.relax.potentials.gpu import relax_on_gpu
from adit.relax.potentials.kept import load, save
from adit.relax.potentials.outcome import Limits, Relaxed, of_outcome
from adit.systems import AtomicSystem


def relax_all(
    systems: Sequence[AtomicSystem],
    limits: Limits,
    *,
    wall_limit_s: float,
    workers: int,
    cache: Path | None = None,
    what: str = "structures",
    device: str = "cpu",
    batch_atoms: int = 4096,
) -> list[Relaxed]:
    """Relax every system and return the results in order; nothing one of them does can end the others.

    Args:
        systems: crystals.
        limits: how a relaxation goes and when it ends.
        wall_limit_s: wall time of one structure, s; a longer one is killed and has status ``timeout``.
        workers: single-threaded processes at most (on a GPU one process, whatever is said here).
        cache: folder for finished results; those found there are taken where settings and structure are the same.
        what: noun for the progress lines.
        device: cpu or cuda.
        batch_atoms: atoms that are relaxed together on a GPU.
    """
    results: dict[int, Relaxed] = {}
    for index, system in enumerate(systems):
        cached = load(cache, system, limits)
        if cached is not None:
            results[index] = cached
    todo = [index for index in range(len(systems)) if index not in results]
    if results:
        log.info("%d of %d %s were relaxed before", len(results), len(systems), what)
    progress = Progress(what, len(systems), done=len(results))

    def take(position: int, result: Relaxed, keep: bool) -> None:
        index = todo[position]
        results[index] = result
        if keep:
            save(cache, systems[index], limits, result)
        progress.update()

    left = [systems[index] for index in todo]
    if device == "cpu":
        _on_cpu(left, limits, wall_limit_s, min(workers, max(1, len(todo))), take)
    else:
        relax_on_gpu(left, limits, device, batch_atoms, wall_limit_s, take)
    return [results[index] for index in range(len(systems))]


_REINSTALL = "install the packages of requirements.lock and run the same command again"

Take = Callable[[int, Relaxed, bool], None]
"""Called with (position, result, whether it holds for a later run too)."""


def _on_cpu(systems: Sequence[AtomicSystem], limits: Limits, wall_limit_s: float, workers: int, take: Take) -> None:
    def done(position: int, outcome: Outcome) -> None:
        if outcome.status == "unstarted":
            raise ExternalToolError(f"CHGNet does not load in a worker process: {outcome.reason}; {_REINSTALL}")
        take(position, of_outcome(outcome), outcome.status == "ok")

    map_isolated(
        chgnet.relax,
        [(system, limits) for system in systems],
        workers=workers,
        wall_limit_s=wall_limit_s,
        on_result=done,
        warm_up=network,
    )


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
