"""Relax many structures together in worker processes, on CPUs and GPUs; a crash or hang affects one structure only."""

from __future__ import annotations

import signal
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

from adit.errors import ExternalToolError
from adit.isolate import Outcome, map_isolated
from adit.progress import log
from adit.relax.potentials.chosen import CHGNET, Chosen
from adit.relax.potentials.evaluators import Evaluator, Results
from adit.relax.potentials.kept import load_relaxed, path_of, save_relaxed
from adit.relax.potentials.lockstep import relax_together
from adit.relax.potentials.outcome import Limits, Relaxed, of_outcome
from adit.systems import AtomicSystem

if TYPE_CHECKING:
    from ase import Atoms

BATCHES_A_CHUNK = 8
"""Number of batches in a chunk; within a chunk a finished structure is replaced by the next one."""

CPU_BATCH_ATOMS = 64
"""Largest number of atoms that one CPU thread relaxes at a time (docs/measurements/relaxation.md)."""

ALARM = -int(signal.SIGALRM)
"""Exit code of a worker that spent too long in one evaluation."""

REINSTALL = "install the packages of requirements.lock and run the same command again"
"""What to do about a potential that does not load."""

Take = Callable[[int, Relaxed, bool], None]
"""Function of position, result, and whether later runs can use the result."""


@dataclass(frozen=True)
class Chunk:
    """Structures that one worker relaxes together.

    Attributes:
        systems: the structures.
        limits: limits of a relaxation.
        device: name of the device in PyTorch.
        batch_atoms: largest number of atoms that are relaxed at a time.
        wall_limit_s: largest time of a structure, and of one evaluation of the batch, s.
        scratch: folder in which each result is stored as soon as it is finished.
        chosen: the potential.
    """

    systems: Sequence[AtomicSystem]
    limits: Limits
    device: str
    batch_atoms: int
    wall_limit_s: float
    scratch: Path
    chosen: Chosen = CHGNET


def resolve_device(wanted: str) -> str:
    """Return ``cpu`` or ``cuda``.

    Args:
        wanted: ``cpu``, ``cuda``, or ``auto``: a GPU if there is one.

    Raises:
        ExternalToolError: a GPU is requested and there is none.
    """
    if wanted == "cpu" or (wanted == "auto" and not any(Path("/dev").glob("nvidia[0-9]*"))):
        return "cpu"
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if wanted == "auto":
        return "cpu"
    raise ExternalToolError("relax.device cuda: PyTorch finds no GPU; set relax.device: auto or cpu")


class _Watched(Evaluator):
    """An evaluator whose process the kernel ends if an evaluation takes too long, even in native code."""

    def __init__(self, evaluator: Evaluator, limit_s: float) -> None:
        self._evaluator, self._limit_s = evaluator, limit_s
        signal.signal(signal.SIGALRM, signal.SIG_DFL)

    def evaluate(self, structures: Sequence[Atoms]) -> list[Results | Exception]:
        signal.setitimer(signal.ITIMER_REAL, self._limit_s)
        return self._evaluator.evaluate(structures)


def relax_chunk(chunk: Chunk) -> None:
    """Relax the structures of a chunk together, in a worker; each result is written to its scratch folder at once.

    Raises:
        ConfigError: the potential needs a file of weights, and it is missing.
        ExternalToolError: the potential does not load.
    """
    chosen, tag = chunk.chosen, chunk.chosen.energy_tag

    def done(index: int, result: Relaxed) -> None:
        save_relaxed(chunk.scratch, chunk.systems[index], chunk.limits, result, tag)

    try:
        relax_together(
            chunk.systems,
            chunk.limits,
            _Watched(chosen.evaluator(chunk.device), chunk.wall_limit_s),
            chosen.unknown,
            correction=chosen.correction if chosen.potential.corrections == "MP2020" else None,
            batch_atoms=chunk.batch_atoms,
            wall_limit_s=chunk.wall_limit_s,
            on_done=done,
        )
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)


def relax_in_batches(
    systems: Sequence[AtomicSystem],
    limits: Limits,
    device: str,
    batch_atoms: int,
    wall_limit_s: float,
    take: Take,
    work: Callable[[Chunk], None] = relax_chunk,
    warm_up: Callable[[str], object] | None = None,
    chosen: Chosen = CHGNET,
    workers: int = 1,
) -> None:
    """Relax in chunks; if a worker dies or hangs, its chunk is halved until the faulty structure is isolated.

    Args:
        systems: crystals.
        limits: limits of a relaxation.
        device: name of the device in PyTorch.
        batch_atoms: largest number of atoms that are relaxed at a time.
        wall_limit_s: largest time of a structure, and of one evaluation of the batch, s.
        take: called with each result, within a second after it is finished.
        work: function that a worker applies to a chunk.
        warm_up: function of the device that a worker calls before its first chunk; ``None``: load the potential.
        chosen: the potential.
        workers: largest number of processes.

    Raises:
        ExternalToolError: the potential does not load on the device.
    """
    share = ceil(sum(map(len, systems)) / max(1, workers))
    with tempfile.TemporaryDirectory(prefix="adit-relax-") as folder:
        scratch = Path(folder)
        pending = chunks(systems, max(1, min(batch_atoms * BATCHES_A_CHUNK, share)))
        while pending:
            items = [
                Chunk([systems[p] for p in group], limits, device, batch_atoms, wall_limit_s, scratch, chosen)
                for group in pending
            ]
            started = partial(warm_up or chosen.evaluator, device)
            pending = _Round(pending, items, take).run(work, started, workers)


class _Round:
    """Every chunk relaxed once.

    Args:
        groups: positions of the systems of each chunk.
        items: the chunks.
        take: called with each result.
    """

    def __init__(self, groups: list[list[int]], items: list[Chunk], take: Take) -> None:
        self._groups, self._items, self._take = groups, items, take
        self._again: list[list[int]] = []
        self._missing: dict[int, tuple[Chunk, AtomicSystem, Path]] = {
            position: (chunk, system, path_of(chunk.scratch, system, chunk.limits, chunk.chosen.energy_tag))
            for group, chunk in zip(groups, items, strict=True)
            for position, system in zip(group, chunk.systems, strict=True)
        }

    def run(self, work: Callable[[Chunk], None], warm_up: Callable[[], object], workers: int) -> list[list[int]]:
        """Return the unfinished positions, in smaller groups."""
        first = self._items[0]
        atoms = max(sum(map(len, chunk.systems)) for chunk in self._items)
        map_isolated(
            work,
            self._items,
            workers=workers,
            wall_limit_s=first.wall_limit_s * (atoms // first.batch_atoms + 2),
            on_result=self._ended,
            on_tick=partial(self._look, self._missing),
            warm_up=warm_up,
        )
        return self._again

    def _look(self, positions: Iterable[int]) -> None:
        """Take the results that exist; the other positions are still missing."""
        for position in list(positions):
            if position not in self._missing:
                continue
            chunk, system, path = self._missing[position]
            if not path.is_file():
                continue
            result = load_relaxed(chunk.scratch, system, chunk.limits, chunk.chosen.energy_tag)
            if result is not None:
                del self._missing[position]
                self._take(position, result, result.status != "timeout")

    def _ended(self, number: int, outcome: Outcome) -> None:
        chunk, group = self._items[number], self._groups[number]
        if outcome.status == "unstarted":
            way = "set relax.device: cpu" if chunk.device != "cpu" else REINSTALL
            raise ExternalToolError(f"{chunk.chosen.label} does not load on {chunk.device}: {outcome.reason}; {way}")
        self._look(group)
        left = [position for position in group if position in self._missing]
        if len(left) == 1:
            self._take(left[0], _of_worker(outcome, chunk.wall_limit_s), False)
        elif left:
            log.warning("%d structures are repeated in two halves: %s", len(left), outcome.reason)
            self._again += [left[: len(left) // 2], left[len(left) // 2 :]]


def _of_worker(outcome: Outcome, limit_s: float) -> Relaxed:
    """Return the result of a structure whose worker ended without one."""
    if outcome.status == "crashed" and f"(exit code {ALARM})" in outcome.reason:
        return Relaxed("timeout", f"one evaluation took longer than {limit_s:g} s", wall_s=outcome.wall_s)
    return of_outcome(outcome)


def chunks(systems: Sequence[AtomicSystem], most_atoms: int) -> list[list[int]]:
    """Return the positions of the systems in groups of at most ``most_atoms`` atoms, in order.

    Args:
        systems: the systems.
        most_atoms: largest number of atoms of a group; a larger system is its own group.
    """
    groups: list[list[int]] = []
    atoms = most_atoms
    for position, system in enumerate(systems):
        if atoms + len(system) > most_atoms:
            groups.append([])
            atoms = 0
        groups[-1].append(position)
        atoms += len(system)
    return groups
