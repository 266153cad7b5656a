"""Reduction of crystals for matching (cached on disk for references), and a bound that excludes pairs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Final

import numpy as np

from adit import convert, store
from adit.errors import DataError
from adit.isolate import map_isolated
from adit.limits import check_pairwise
from adit.progress import Progress, log
from adit.score.common.content import content_key
from adit.systems import AtomicSystem, Failure, Kind

Reduced = AtomicSystem | Failure
"""A reduced crystal, or the reason of its failure."""

_STEPS: Final = np.stack(np.meshgrid(*[np.arange(-3, 4)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
"""Integer combinations of the vectors of a reduced cell that contain its shortest vectors."""

REDUCTION: Final = 2
"""Version of the reduction: increased when ``reduce_crystal`` changes, so that cached references are made again."""

STARTUP_S: Final = 300.0
"""Longest time for loading libraries in a worker, s."""

_SLACK: Final = 1.01
"""Margin for rounding and the tolerance of the Niggli reduction, so that the bound never excludes a match."""


def load_libraries() -> None:
    """Load the libraries of a worker before the time of its first crystal starts."""
    reduce_crystal(AtomicSystem("po", Kind.CRYSTAL, np.array([84]), np.zeros((1, 3)), np.eye(3) * 3.35))


def reduce_crystal(system: AtomicSystem) -> AtomicSystem:
    """Return the Niggli-reduced primitive crystal as in ``StructureMatcher``, once per crystal instead of per pair.

    The atoms are sorted first, so that the result does not depend on the order in the file.

    Raises:
        LimitError: it has more than ``PAIRWISE_ATOMS`` atoms.
    """
    check_pairwise(len(system))
    x, y, z = (np.rint(system.fractional * 1e6).astype(np.int64) % 1_000_000).T
    order = np.lexsort((z, y, x, system.numbers))
    system = replace(system, numbers=system.numbers[order], positions=system.positions[order])
    structure = convert.to_structure(system).get_reduced_structure(reduction_algo="niggli").get_primitive_structure()
    return convert.from_structure(structure, system.system_id, system.kind)


def successive_minima(cell: np.ndarray) -> np.ndarray:
    """Return the successive minima (3,) of a lattice, Å: the shortest lengths of 1, 2 and 3 independent vectors.

    Args:
        cell: (3, 3) rows are vectors of a reduced cell, Å.
    """
    vectors = _STEPS @ cell
    lengths = np.linalg.norm(vectors, axis=1)
    chosen: list[np.ndarray] = []
    for index in np.argsort(lengths, kind="stable"):
        candidate = [*chosen, _STEPS[index]]
        if np.linalg.matrix_rank(np.array(candidate)) == len(candidate):
            chosen = candidate
        if len(chosen) == 3:
            break
    return np.linalg.norm(np.array(chosen) @ cell, axis=1)


class Bound:
    """Lattice data of a reduced crystal that bound its possible matches.

    Args:
        system: a reduced crystal.

    Attributes:
        size: number of atoms n.
        lengths: (3,) lengths of the cell's edges over (V/n)^(1/3), ascending.
        minima: (3,) successive minima over (V/n)^(1/3).
    """

    def __init__(self, system: AtomicSystem) -> None:
        scale = (len(system) / system.volume) ** (1 / 3)
        self.size = len(system)
        self.lengths = np.sort(system.lengths) * scale
        self.minima = successive_minima(np.asarray(system.cell)) * scale

    def excludes(self, other: Bound, ltol: float) -> bool:
        """Return whether ``StructureMatcher.fit(self, other)`` is certainly false.

        Without supercells the matcher asks for equal numbers of sites in the primitive cells. It scales both to one
        volume, and asks the first lattice for three independent vectors whose lengths are within a factor 1 + ltol of
        the edges of the second: so the i-th successive minimum of the first is at most 1 + ltol times the i-th edge of
        the second, by length.

        Args:
            other: the second crystal.
            ltol: fractional length tolerance of the matcher.
        """
        if self.size != other.size:
            return True
        return bool((self.minima > _SLACK * (1 + ltol) * other.lengths).any())


def reduce_all(
    systems: Sequence[AtomicSystem],
    *,
    workers: int,
    wall_limit_s: float,
    function: Callable[[AtomicSystem], AtomicSystem] = reduce_crystal,
    what: str = "crystals reduced",
) -> list[Reduced]:
    """Reduce crystals in worker processes; an exception, a timeout or a crash is a failure with its reason.

    Args:
        systems: crystals.
        workers: largest number of processes.
        wall_limit_s: limit on the wall time of one crystal, s.
        function: importable function that reduces one crystal.
        what: noun for the progress lines.
    """
    progress = Progress(what, len(systems))
    outcomes = map_isolated(
        function,
        systems,
        workers=workers,
        wall_limit_s=wall_limit_s,
        on_result=lambda _, __: progress.update(),
        startup_s=STARTUP_S,
        warm_up=load_libraries,
    )
    return [
        outcome.value if outcome.status == "ok" else Failure(system.system_id, "matching", outcome.reason)
        for system, outcome in zip(systems, outcomes, strict=True)
    ]


def reduce_references(
    systems: Sequence[AtomicSystem], cache: Path | None, *, workers: int, wall_limit_s: float
) -> list[Reduced]:
    """Reduce reference crystals; cached results are used, and new ones are added to the cache.

    Args:
        systems: reference crystals.
        cache: folder of cached results, or ``None``.
        workers: largest number of processes.
        wall_limit_s: limit on the wall time of one crystal, s.
    """
    keys = [content_key(system) for system in systems]
    path = None if cache is None else cache / f"reduced-{REDUCTION}-{version('pymatgen')}-{version('spglib')}.arrow"
    table = _open(path)
    place = {key: index for index, key in enumerate(table.ids)} if table is not None else {}
    fresh = {key: system for key, system in zip(keys, systems, strict=True) if key not in place}
    reduced = reduce_all(list(fresh.values()), workers=workers, wall_limit_s=wall_limit_s, what="references reduced")
    new = dict(zip(fresh, reduced, strict=True))
    if path is not None and fresh:
        added = [replace(row, system_id=key) for key, row in new.items() if isinstance(row, AtomicSystem)]
        store.write_systems(path, [*(table or ()), *added])
    rows = [new[key] if key in new else _reduced_row(table, place[key]) for key in keys]
    return [replace(row, system_id=system.system_id) for row, system in zip(rows, systems, strict=True)]


def _reduced_row(table: store.SystemTable | None, index: int) -> Reduced:
    if table is None:
        raise DataError("the cache of reduced references is gone")
    row: Reduced = table[index]
    return row


def _open(path: Path | None) -> store.SystemTable | None:
    """Return the cache; ``None`` if it is missing or broken."""
    if path is None or not path.is_file():
        return None
    try:
        return store.read_systems(path)
    except DataError as error:
        log.info("cache of reduced references is computed again: %s", error)
        return None
