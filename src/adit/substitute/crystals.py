"""Crystals by ion exchange in known crystals: the baseline that a generative model has to beat."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import Any, Final

import numpy as np

from adit import convert
from adit.elements import reduced_formula, symbol
from adit.errors import DataError
from adit.progress import Progress
from adit.score.matching.linking import DEFAULT, matcher
from adit.seeds import generator
from adit.substitute.ions import exchanged, ion_table, ions_of
from adit.systems import AtomicSystem, Kind

ATTEMPTS: Final = 500
"""Largest number of draws of a template and an exchange for one crystal."""


def substitute(
    templates: Sequence[AtomicSystem], data: Sequence[AtomicSystem], n: int, seed: int
) -> list[AtomicSystem]:
    """Return new crystals: the ions of a known crystal exchanged for others, its volume rescaled.

    Ions are drawn with pymatgen's substitution probabilities, the original ion included, until the result is neutral
    and not the original. The volume follows from the ionic radii (pymatgen's ``RLSVolumePredictor``). No result
    matches a crystal of the data or another result (``StructureMatcher``, default tolerances).

    Args:
        templates: crystals whose ions are exchanged; alloys and elements among them, which have none, are not used.
        data: crystals that no result may match.
        n: number of crystals to make.
        seed: seed of the draws.

    Returns:
        Crystals with the template, the exchange and the factor of the lengths in ``info``.

    Raises:
        DataError: there are no templates, or not enough new crystals can be made.

    Source: G. Hautier et al., Inorg. Chem. 50, 656 (2011).
    """
    if not templates:
        raise DataError("there is no crystal whose ions can be exchanged")
    seen = _Seen(data)
    crystals: list[AtomicSystem] = []
    progress = Progress("crystals made", n)
    for index in range(n):
        random = generator("substitute", seed, index)
        candidates = (_candidate(templates, random, f"substituted-{seed}-{index}") for _ in range(ATTEMPTS))
        new = next((each for each in candidates if each is not None and seen.add(each)), None)
        if new is None:
            raise DataError(
                f"only {index} of {n} crystals could be made: the {len(templates)} crystals have no ions that make "
                "them neutral, or give no more that differ; ask for fewer, or give more data"
            )
        crystals.append(new)
        progress.update()
    return crystals


def _candidate(templates: Sequence[AtomicSystem], random: np.random.Generator, system_id: str) -> AtomicSystem | None:
    old = templates[int(random.integers(len(templates)))]
    counts = dict(sorted(Counter(map(int, old.numbers)).items()))
    before = _ions(tuple(counts.items()))
    after = None if before is None else exchanged(counts, before, random)
    if old.cell is None or before is None or after is None:
        return None
    table = ion_table()
    replaced = {z: int(table.numbers[ion]) for z, ion in zip(counts, after, strict=True)}
    scale = _scale(counts, before, after)
    exchange = [
        f"{symbol(z)}{table.charges[first]:+d} → {symbol(replaced[z])}{table.charges[last]:+d}"
        for z, first, last in zip(counts, before, after, strict=True)
        if replaced[z] != z
    ]
    info: dict[str, Any] = {"template": old.system_id, "exchange": exchange, "length_scale": round(scale, 4)}
    numbers = np.array([replaced[int(z)] for z in old.numbers])
    return AtomicSystem(system_id, Kind.CRYSTAL, numbers, old.positions * scale, old.cell * scale, info)


@cache
def _ions(counts: tuple[tuple[int, int], ...]) -> tuple[int, ...] | None:
    return ions_of(dict(counts))


def _scale(counts: dict[int, int], before: tuple[int, ...], after: tuple[int, ...]) -> float:
    """Return the factor of all lengths that pymatgen predicts from the radii of the ions."""
    old, new = (_ionic(tuple(zip(ions, counts.values(), strict=True))) for ions in (before, after))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where an ionic radius is unknown, atomic radii are used
        return float((_predictor().predict(new, old) / old.volume) ** (1.0 / 3.0))


@cache
def _predictor() -> Any:
    from pymatgen.analysis.structure_prediction.volume_predictor import RLSVolumePredictor

    return RLSVolumePredictor(check_isostructural=False, radii_type="ionic-atomic", use_bv=False)


@cache
def _ionic(ions: tuple[tuple[int, int], ...]) -> Any:
    """Return a structure of ions of the table; each is given with its number of atoms."""
    table = ion_table()
    return convert.ionic_structure(
        [(symbol(int(table.numbers[ion])), int(table.charges[ion]), amount) for ion, amount in ions]
    )


class _Seen:
    """The crystals that a new one may not match.

    Args:
        data: crystals of the data.
    """

    def __init__(self, data: Sequence[AtomicSystem]) -> None:
        self._by_formula: dict[str, list[AtomicSystem]] = {}
        for system in data:
            if system.cell is not None:
                self._by_formula.setdefault(reduced_formula(system.numbers), []).append(system)

    def add(self, system: AtomicSystem) -> bool:
        """Add a crystal; return whether it matches none."""
        others = self._by_formula.setdefault(reduced_formula(system.numbers), [])
        if others:
            structure = convert.to_structure(system)
            if any(matcher(DEFAULT).fit(structure, convert.to_structure(other)) for other in others):
                return False
        others.append(system)
        return True
