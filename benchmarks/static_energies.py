"""Energies of crystals as they stand, by a potential in this process, on one thread; for the other benchmarks."""

from __future__ import annotations

import os
from collections.abc import Sequence

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from adit import convert
from adit.errors import AditError
from adit.relax.potentials.chosen import Chosen
from adit.relax.potentials.evaluators import quiet
from adit.relax.potentials.together import CPU_BATCH_ATOMS, chunks
from adit.systems import AtomicSystem


def energies_per_atom(chosen: Chosen, systems: Sequence[AtomicSystem]) -> np.ndarray:
    """Return corrected energies (n,), eV/atom; NaN where there is none."""
    energies = np.full(len(systems), np.nan)
    usable = [number for number, system in enumerate(systems) if chosen.unknown(system) is None]
    evaluator = chosen.evaluator()
    for group in chunks([systems[number] for number in usable], CPU_BATCH_ATOMS):
        numbers = [usable[place] for place in group]
        with quiet():
            answers = evaluator.energies([convert.to_atoms(systems[number]) for number in numbers])
        for number, answer in zip(numbers, answers, strict=True):
            if isinstance(answer, Exception):
                continue
            try:
                energies[number] = (answer + chosen.correction(systems[number])) / len(systems[number])
            except AditError:
                continue
    return energies
