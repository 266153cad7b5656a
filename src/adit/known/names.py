"""InChIKeys of molecules, found in worker processes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from adit import convert
from adit.isolate import map_isolated
from adit.systems import AtomicSystem

WALL_LIMIT_S: Final = 60.0
"""Limit on the wall time of one molecule, s."""

STARTUP_S: Final = 300.0
"""Longest time for loading libraries in a worker, s."""


def inchikeys(molecules: Sequence[AtomicSystem], workers: int) -> list[tuple[str, str]]:
    """Return for each molecule its standard InChIKey, with its stereochemistry, and the reason if it has none.

    Args:
        molecules: molecules, whose bonds are perceived from the geometry.
        workers: largest number of processes.

    Returns:
        Pairs of key and reason, of which one is empty.
    """
    outcomes = map_isolated(
        _key, molecules, workers=max(1, workers), wall_limit_s=WALL_LIMIT_S, startup_s=STARTUP_S, warm_up=_load
    )
    return [outcome.value if outcome.status == "ok" else ("", outcome.reason) for outcome in outcomes]


def _key(molecule: AtomicSystem) -> tuple[str, str]:
    result = convert.perceive(molecule)
    return result.inchikey, "" if result.inchikey else f"has no InChIKey: {result.problem or 'no bonds fit'}"


def _load() -> None:
    import rdkit.Chem  # noqa: F401
