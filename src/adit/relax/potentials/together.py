"""Relax on a GPU: many structures together in one worker process; a crash costs one structure only."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from adit.errors import ExternalToolError
from adit.isolate import Outcome, map_isolated
from adit.progress import log
from adit.relax.potentials.chosen import CHGNET, Chosen
from adit.relax.potentials.kept import load, save
from adit.relax.potentials.lockstep import relax_together
from adit.relax.potentials.outcome import Limits, Relaxed, of_outcome
from adit.systems import AtomicSystem

BATCHES_A_CHUNK = 8
"""Batches per chunk; within a chunk a finished structure is replaced by the next one."""


@dataclass(frozen=True)
class Chunk:
    """Structures that one worker relaxes together.

    Attributes:
        systems: the structures.
        limits: limits of a relaxation.
        device: as PyTorch names it.
        batch_atoms: atoms relaxed at a time.
        wall_limit_s: longest time of a structure in the batch, s.
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
    """Return ``cpu`` or ``cuda``; ``auto`` means a GPU if there is one.

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


def relax_chunk(chunk: Chunk) -> None:
    """Relax the structures of a chunk together (in a worker); results go to its scratch folder one by one."""
    chosen, tag = chunk.chosen, chunk.chosen.energy_tag

    def done(index: int, result: Relaxed) -> None:
        save(chunk.scratch, chunk.systems[index], chunk.limits, result, tag)

    relax_together(
        chunk.systems,
        chunk.limits,
        chosen.evaluator(chunk.device),
        chosen.unknown,
        correction=chosen.correction if chosen.potential.corrections == "MP2020" else None,
        batch_atoms=chunk.batch_atoms,
        wall_limit_s=chunk.wall_limit_s,
        on_done=done,
    )


def relax_on_gpu(
    systems: Sequence[AtomicSystem],
    limits: Limits,
    device: str,
    batch_atoms: int,
    wall_limit_s: float,
    take: Callable[[int, Relaxed, bool], None],
    work: Callable[[Chunk], None] = relax_chunk,
    warm_up: Callable[[str], object] | None = None,
    chosen: Chosen = CHGNET,
) -> None:
    """Relax in chunks; if a worker dies or hangs, its chunk is halved until the faulty structure is isolated.

    Args:
        systems: crystals.
        limits: limits of a relaxation.
        device: as PyTorch names it.
        batch_atoms: atoms relaxed at a time.
        wall_limit_s: longest time of a structure in a batch, s.
        take: called with (position, result, whether later runs can use it).
        work: function that a worker applies to a chunk.
        warm_up: function of the device that a worker calls before its first chunk; ``None``: load the potential.
        chosen: the potential.

    Raises:
        ExternalToolError: the potential does not load on the device.
    """
    with tempfile.TemporaryDirectory(prefix="adit-relax-") as folder:
        scratch = Path(folder)
        pending = chunks(systems, batch_atoms * BATCHES_A_CHUNK)
        while pending:
            work_items = [
                Chunk([systems[p] for p in group], limits, device, batch_atoms, wall_limit_s, scratch, chosen)
                for group in pending
            ]
            pending = _one_round(pending, work_items, take, work, partial(warm_up or chosen.evaluator, device))


def _one_round(
    groups: list[list[int]],
    items: list[Chunk],
    take: Callable[[int, Relaxed, bool], None],
    work: Callable[[Chunk], None],
    warm_up: Callable[[], object],
) -> list[list[int]]:
    """Relax every chunk once and return the unfinished positions, in smaller groups."""
    again: list[list[int]] = []

    def done(number: int, outcome: Outcome) -> None:
        chunk, left = items[number], []
        if outcome.status == "unstarted":
            raise ExternalToolError(
                f"{chunk.chosen.label} does not load on {chunk.device}: {outcome.reason}; set relax.device: cpu"
            )
        for position, system in zip(groups[number], chunk.systems, strict=True):
            result = load(chunk.scratch, system, chunk.limits, chunk.chosen.energy_tag)
            if result is None:
                left.append(position)
            else:
                take(position, result, result.status != "timeout")
        if len(left) == 1:
            take(left[0], of_outcome(outcome), False)
        elif left:
            log.warning("%d structures are repeated in two halves: %s", len(left), outcome.reason)
            again.extend([left[: len(left) // 2], left[len(left) // 2 :]])

    first = items[0]
    atoms = max(sum(map(len, chunk.systems)) for chunk in items)
    map_isolated(
        work,
        items,
        workers=1,
        wall_limit_s=first.wall_limit_s * (atoms // first.batch_atoms + 2),
        on_result=done,
        warm_up=warm_up,
    )
    return again


def chunks(systems: Sequence[AtomicSystem], most_atoms: int) -> list[list[int]]:
    """Return the positions of the systems in groups of at most ``most_atoms`` atoms (one system always fits)."""
    groups: list[list[int]] = []
    atoms = most_atoms
    for position, system in enumerate(systems):
        if atoms + len(system) > most_atoms:
            groups.append([])
            atoms = 0
        groups[-1].append(position)
        atoms += len(system)
    return groups
