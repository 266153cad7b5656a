"""Relax many systems with one potential: isolated workers, and one result file per system for resuming."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from adit.errors import ExternalToolError
from adit.isolate import Outcome, map_isolated
from adit.progress import Progress, log
from adit.relax.potentials.chosen import CHGNET, Chosen
from adit.relax.potentials.kept import load_relaxed, save_relaxed
from adit.relax.potentials.outcome import Limits, Relaxed, of_outcome
from adit.relax.potentials.together import CPU_BATCH_ATOMS, REINSTALL, Take, relax_in_batches
from adit.systems import AtomicSystem


class Relaxer(Protocol):
    """Relaxes one system in a worker process: a potential, or GFN2-xTB for molecules."""

    @property
    def label(self) -> str:
        """Return the name for display."""
        ...

    @property
    def energy_tag(self) -> str:
        """Return the energy tag."""
        ...

    def check(self) -> None:
        """Check that its packages and files exist.

        Raises:
            ConfigError: a file of weights is needed and missing.
            ExternalToolError: a package is not installed.
        """
        ...

    def evaluator(self) -> object:
        """Load packages and weights; called once in each worker."""
        ...

    def relax(self, task: tuple[AtomicSystem, Any]) -> Relaxed:
        """Relax a system within limits; ``task`` has both."""
        ...


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
    chosen: Relaxer = CHGNET,
    budget_s: float = math.inf,
) -> list[Relaxed]:
    """Relax every system and return the results in order; a failure affects one system only.

    Args:
        systems: crystals, or molecules.
        limits: limits of a relaxation.
        wall_limit_s: largest wall time of one structure, s; after it the structure has the status ``timeout``.
        workers: largest number of processes, each with one thread; on a GPU always one process.
        cache: folder for finished results, which are used if settings and structure are the same; ``None`` for none.
        what: noun for the progress lines.
        device: ``cpu`` or ``cuda``.
        batch_atoms: largest number of atoms that are relaxed together on a GPU.
        chosen: the potential, or the relaxer of molecules.
        budget_s: wall time of all structures together, s; those that are not finished then have the status ``timeout``
            and are not cached.

    Raises:
        ConfigError: the potential needs a file of weights, and it is missing.
        ExternalToolError: it is not installed, or does not load.
    """
    if systems:
        chosen.check()
    tag = chosen.energy_tag
    results: dict[int, Relaxed] = {}
    for index, system in enumerate(systems):
        cached = load_relaxed(cache, system, limits, tag)
        if cached is not None:
            results[index] = cached
    todo = [index for index in range(len(systems)) if index not in results]
    if results:
        log.info("%d of %d %s were relaxed before", len(results), len(systems), what)
    progress = Progress(what, len(systems), done=len(results))
    started = time.monotonic()

    def take(position: int, result: Relaxed, keep: bool) -> None:
        index = todo[position]
        results[index] = result
        if keep:
            save_relaxed(cache, systems[index], limits, result, tag)
        progress.update()
        if time.monotonic() - started > budget_s:
            raise _SpentError

    left = [systems[index] for index in todo]
    with contextlib.suppress(_SpentError):
        if budget_s <= 0:
            raise _SpentError
        workers = min(workers, max(1, len(todo)))
        if not isinstance(chosen, Chosen) or (device == "cpu" and not chosen.potential.batched):
            _one_by_one(left, limits, wall_limit_s, workers, take, chosen)
        elif device == "cpu":
            size = CPU_BATCH_ATOMS
            relax_in_batches(left, limits, device, size, wall_limit_s, take, chosen=chosen, workers=workers)
        else:
            relax_in_batches(left, limits, device, batch_atoms, wall_limit_s, take, chosen=chosen)
    late = Relaxed("timeout", f"not finished in the {budget_s:g} s for all {what}")
    if len(results) < len(systems):
        log.info("%d of %d %s were %s", len(systems) - len(results), len(systems), what, late.reason)
    return [results.get(index, late) for index in range(len(systems))]


class _SpentError(Exception):
    """The time for all systems is over."""


NO_ANNOTATIONS = ("sdf",)
"""Details that are not copied to ``info`` of the relaxed structure: they contain it."""


def _one_by_one(
    systems: Sequence[AtomicSystem], limits: Limits, wall_limit_s: float, workers: int, take: Take, chosen: Relaxer
) -> None:
    def done(position: int, outcome: Outcome) -> None:
        if outcome.status == "unstarted":
            raise ExternalToolError(f"{chosen.label} does not load in a worker process: {outcome.reason}; {REINSTALL}")
        take(position, of_outcome(outcome), outcome.status == "ok")

    map_isolated(
        chosen.relax,
        [(system, limits) for system in systems],
        workers=workers,
        wall_limit_s=wall_limit_s,
        on_result=done,
        warm_up=chosen.evaluator,
    )


def annotated(result: Relaxed, tag: str) -> AtomicSystem | None:
    """Return the relaxed system with energy (eV/atom), energy tag, status and details in ``info``, or ``None``.

    Args:
        result: result of a relaxation; without a relaxed structure, there is no system.
        tag: energy tag.
    """
    if result.system is None:
        return None
    extra = {
        "energy_per_atom": result.energy_per_atom,
        "energy_tag": tag,
        "relax_status": result.status,
    }
    details = {str(name): value for name, value in result.details.items() if name not in NO_ANNOTATIONS}
    return replace(result.system, info={**result.system.info, **details, **extra})
