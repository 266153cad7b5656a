"""The search of two or three elements for compounds, in a worker process: prototypes by energy, the best relaxed.

Energies alone, of many crystals in one evaluation, cost a fraction of a relaxation; so all prototypes are tried at the
middle volume, those near the best at the others too, and only what may touch the hull of the pair is relaxed.
"""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from adit import convert
from adit.elements import composition, reduced_formula
from adit.errors import AditError
from adit.hull.convex_hull import Hull, ReferenceEntry
from adit.hull.prototypes import BONDS, decorated, prototypes
from adit.hull.reference_rows import reference_row
from adit.progress import log
from adit.relax.potentials.chosen import Chosen
from adit.relax.potentials.corrections import hubbards
from adit.relax.potentials.evaluators import quiet
from adit.relax.potentials.lockstep import relax_together
from adit.relax.potentials.outcome import Limits, Relaxed
from adit.systems import AtomicSystem

SET: Final = "prototypes:"
"""First part of the name of a pair's set in the table, e.g. ``prototypes:Fe-Zr``."""

SEARCHED: Final = "searched"
"""Status of the row that says that a pair was searched; it has no energy."""

BEST: Final = 3
"""Largest number of prototypes of each composition that are relaxed."""

WINDOW: Final = 0.3
"""Largest static energy of a crystal that is relaxed, eV/atom above the hull of static energies and elements."""

SMALLEST, SMALL, MIDDLE, LARGE = BONDS
"""Ratios of the shortest distance to the sum of the covalent radii; ``MIDDLE`` is tried first."""

PROMISING: Final = 1.0
"""Largest energy at the middle volume of a prototype that is tried at all volumes, eV/atom above the best one of its
composition."""

SAME: Final = 1e-4
"""Prototypes of one composition whose static energies differ by less, in eV/atom, count as the same crystal."""

MAX_STEPS: Final = 100
"""Largest number of steps of a relaxation; a prototype that needs more keeps its energy, which is an upper bound."""

STATIC: Final = "static, at the geometry that {} relaxed"
"""Reason in the row of an energy that a potential has at the geometry of another one."""


@dataclass(frozen=True)
class PairTask:
    """Input of a worker that searches a pair, or a set of three elements.

    Attributes:
        pair: two or three symbols, e.g. ``Fe-Zr``.
        elements: symbol → energy of each of the elements, eV/atom, in the order of ``pair``.
        chosen: the potential that searches and relaxes.
        judges: potentials that evaluate the relaxed crystals.
        limits: settings and limits of a relaxation.
        device: name of the device in PyTorch.
        batch_atoms: largest number of atoms that are evaluated together.
        deadline: time (s since the epoch) after which the search is given up, and its results are dropped.
        wall_s: the same, s after the worker has loaded everything (``warm_up``).
        compounds: known compounds of three elements, of which the hull of static energies is made too.
    """

    pair: str
    elements: Mapping[str, float]
    chosen: Chosen
    judges: tuple[Chosen, ...]
    limits: Limits
    device: str
    batch_atoms: int
    deadline: float
    wall_s: float = math.inf
    compounds: tuple[ReferenceEntry, ...] = ()

    @property
    def is_late(self) -> bool:
        """Return whether the search must be given up."""
        return self.left_s < 0

    @property
    def left_s(self) -> float:
        """Return the time that is left, s; negative after the end."""
        return min(self.deadline, _WARM.get(os.getpid(), math.inf) + self.wall_s) - time.time()


_WARM: Final[dict[int, float]] = {}
"""Process → time (s since the epoch) at which it had loaded everything."""


def load_search(chosen: Chosen, judges: Sequence[Chosen], device: str) -> None:
    """Load in a worker what every pair needs: potentials, corrections, prototypes.

    A judge that does not load is left for the pairs, which report it.

    Raises:
        AditError: the potential that searches does not load.
    """
    with quiet():
        chosen.evaluator(device)
        for judge in judges:
            with contextlib.suppress(AditError):
                judge.evaluator(device)
        prototypes()
        if any(each.potential.corrections == "MP2020" for each in (chosen, *judges)):
            hubbards({"O"})
    _WARM[os.getpid()] = time.time()


@dataclass(frozen=True)
class PairResult:
    """Outcome of the search of a pair.

    Attributes:
        rows: potential → reference rows: one for each relaxed crystal, and one that says that the pair was searched; a
            potential that has no energy of any crystal is not there.
        complete: whether the search ended before the deadline.
        core_s: processor time, s.
    """

    rows: Mapping[Chosen, list[dict[str, Any]]] = field(default_factory=dict)
    complete: bool = True
    core_s: float = 0.0


class LateError(Exception):
    """The deadline has passed."""


def search_pair(task: PairTask) -> PairResult:
    """Search two or three elements for compounds of all of them.

    Raises:
        AditError: the potential does not load.
    """
    started = time.process_time()
    try:
        with quiet():
            rows = _rows(task)
    except LateError:
        return PairResult(complete=False, core_s=time.process_time() - started)
    return PairResult(rows, core_s=time.process_time() - started)


def _rows(task: PairTask) -> dict[Chosen, list[dict[str, Any]]]:
    from ase.data import atomic_numbers

    static = screen(task, [atomic_numbers[name] for name in task.pair.split("-")])
    starts = best(static, task.elements, task.compounds)
    if not static or not any(math.isfinite(energy) for _, _, energy in static):
        return {}
    relaxed = _relaxed(task, starts)
    crystals = [result.system for result in relaxed if result.system is not None]
    if starts and not crystals:
        return {}
    own = [
        _entry(result.system, result.energy_per_atom, task.chosen, result.status, result.reason)
        for result in relaxed
        if result.system is not None
    ]
    rows = {task.chosen: own}
    for judge in task.judges:
        judged = _judged(task, judge, crystals)
        if judged or not crystals:
            rows[judge] = judged
    return {chosen: [*each, _marker(task.pair, chosen)] for chosen, each in rows.items()}


Candidate = tuple[str, AtomicSystem, float]
"""Name (the volumes of a prototype share it), crystal, static energy in eV/atom (NaN if there is none)."""


def screen(task: PairTask, pair: Sequence[int]) -> list[Candidate]:
    """Return the static energies of all prototypes at the middle volume, and of promising ones at the other volumes.

    The smallest volume is tried where the next one has a lower energy than the middle one.

    Args:
        task: the search.
        pair: atomic numbers of the elements.

    Raises:
        LateError: the deadline has passed.
    """
    middle = _static(task, list(decorated(pair, (MIDDLE,))))
    lowest: dict[str, float] = defaultdict(lambda: math.inf)
    for _, system, energy in middle:
        formula = reduced_formula(system.numbers)
        lowest[formula] = min(lowest[formula], energy if math.isfinite(energy) else math.inf)
    promising = {
        name for name, system, energy in middle if energy <= lowest[reduced_formula(system.numbers)] + PROMISING
    }
    others = _static(task, [each for each in decorated(pair, (SMALL, LARGE)) if each[0] in promising])
    at_middle = {name: energy for name, _, energy in middle}
    shrinking = {name for name, system, energy in others if _bond(system) == SMALL and energy < at_middle[name]}
    return [*middle, *others, *_static(task, [each for each in decorated(pair, (SMALLEST,)) if each[0] in shrinking])]


def _bond(system: AtomicSystem) -> float:
    """Return the ratio of ``BONDS`` at which a prototype was made, which its id ends with."""
    return BONDS[int(system.system_id.rpartition("/")[2])]


def _static(task: PairTask, candidates: Sequence[tuple[str, AtomicSystem]]) -> list[Candidate]:
    chosen, evaluator = task.chosen, task.chosen.evaluator(task.device)
    supported = [each for each in candidates if chosen.unknown(each[1]) is None]
    energies: list[Candidate] = []
    for group in _groups(supported, task.batch_atoms):
        if task.is_late:
            raise LateError
        answers = evaluator.energies([convert.to_atoms(system) for _, system in group])
        for (name, system), answer in zip(group, answers, strict=True):
            energies.append((name, system, _per_atom(chosen, system, answer)))
    return energies


def _per_atom(chosen: Chosen, system: AtomicSystem, answer: float | Exception) -> float:
    """Return a corrected energy in eV/atom; NaN if there is none."""
    if isinstance(answer, Exception) or not math.isfinite(answer):
        return math.nan
    try:
        return (answer + chosen.correction(system)) / len(system)
    except AditError:
        return math.nan


def _groups(candidates: Sequence[tuple[str, AtomicSystem]], batch_atoms: int) -> list[list[tuple[str, AtomicSystem]]]:
    groups: list[list[tuple[str, AtomicSystem]]] = [[]]
    for each in candidates:
        if groups[-1] and sum(len(system) for _, system in groups[-1]) + len(each[1]) > batch_atoms:
            groups.append([])
        groups[-1].append(each)
    return [group for group in groups if group]


def best(
    candidates: Sequence[Candidate], elements: Mapping[str, float], compounds: Sequence[ReferenceEntry] = ()
) -> list[AtomicSystem]:
    """Return the prototypes to relax: at most ``BEST`` of each composition, at their best volumes, near the hull.

    Args:
        candidates: prototypes with static energies.
        elements: symbol → energy of each element, eV/atom; the hull is that of the candidates and these.
        compounds: other compounds on the hull of three elements.
    """
    lowest: dict[str, Candidate] = {}
    for each in candidates:
        if math.isfinite(each[2]) and each[2] < lowest.get(each[0], (each[0], each[1], math.inf))[2]:
            lowest[each[0]] = each
    on_hull = _hull_energies([each[1:] for each in lowest.values()], elements, compounds)
    groups: dict[str, list[Candidate]] = defaultdict(list)
    for each in sorted(lowest.values(), key=lambda each: (each[2], each[0])):
        group = groups[reduced_formula(each[1].numbers)]
        if len(group) == BEST or (group and each[2] - group[-1][2] < SAME):
            continue
        if each[2] <= on_hull(each[1]) + WINDOW:
            group.append(each)
    return [system for group in groups.values() for _, system, _ in group]


def _hull_energies(
    candidates: Sequence[tuple[AtomicSystem, float]], elements: Mapping[str, float], compounds: Sequence[ReferenceEntry]
) -> Callable[[AtomicSystem], float]:
    """Return the function that gives the energy of the hull at the composition of a crystal, eV/atom."""
    if len(elements) == 2:
        envelope = _envelope([(_share(system, elements), energy) for system, energy in candidates], elements)
        return lambda system: float(np.interp(_share(system, elements), *envelope))
    entries = [ReferenceEntry(composition(system.numbers), energy) for system, energy in candidates]
    singles = [ReferenceEntry({name: 1.0}, energy) for name, energy in elements.items()]
    hull = Hull.from_entries("", [*singles, *compounds, *entries])
    return lambda system: hull.energy_at(composition(system.numbers))


def _share(system: AtomicSystem, elements: Mapping[str, float]) -> float:
    """Return the atomic fraction of the second element."""
    return composition(system.numbers).get(list(elements)[1], 0) / len(system)


def _envelope(points: Sequence[tuple[float, float]], elements: Mapping[str, float]) -> tuple[list[float], list[float]]:
    """Return the corners of the lower hull of a pair: fractions of the second element, and energies in eV/atom."""
    corners: list[tuple[float, float]] = []
    for x, y in sorted([*points, *zip((0.0, 1.0), elements.values(), strict=True)]):
        if corners and corners[-1][0] == x:  # the points are sorted: the previous one is lower
            continue
        while len(corners) > 1 and not _is_below(corners[-2], corners[-1], (x, y)):
            corners.pop()
        corners.append((x, y))
    return [x for x, _ in corners], [y for _, y in corners]


def _is_below(left: tuple[float, float], middle: tuple[float, float], right: tuple[float, float]) -> bool:
    """Return whether a point lies below the line between its neighbours."""
    share = (middle[0] - left[0]) / (right[0] - left[0])
    return middle[1] < left[1] + share * (right[1] - left[1])


def _relaxed(task: PairTask, starts: Sequence[AtomicSystem]) -> list[Relaxed]:
    """Relax crystals together, up to the deadline."""
    chosen = task.chosen
    results = relax_together(
        starts,
        task.limits,
        chosen.evaluator(task.device),
        chosen.unknown,
        correction=chosen.correction if chosen.potential.corrections == "MP2020" else None,
        batch_atoms=task.batch_atoms,
        wall_limit_s=max(0.0, task.left_s),
    )
    if task.is_late:
        raise LateError
    return results


def _judged(task: PairTask, judge: Chosen, crystals: Sequence[AtomicSystem]) -> list[dict[str, Any]]:
    """Return the rows of a second potential; none if it does not load or supports none of the crystals."""
    supported = [("", system) for system in crystals if judge.unknown(system) is None]
    reason = STATIC.format(task.chosen.label)
    rows = []
    try:
        evaluator = judge.evaluator(task.device)
    except AditError as error:
        log.warning("%s: %s", task.pair, error)
        return []
    for group in _groups(supported, task.batch_atoms):
        if task.is_late:
            raise LateError
        answers = evaluator.energies([convert.to_atoms(system) for _, system in group])
        for (_, system), answer in zip(group, answers, strict=True):
            energy = _per_atom(judge, system, answer)
            if math.isfinite(energy):
                rows.append(_entry(system, energy, judge, "converged", reason))
    return rows


def _entry(system: AtomicSystem, energy: float, chosen: Chosen, status: str, reason: str) -> dict[str, Any]:
    formula, counts = reduced_formula(system.numbers), composition(system.numbers)
    return reference_row(system.system_id, formula, counts, energy, chosen.energy_tag, status=status, reason=reason)


def _marker(pair: str, chosen: Chosen) -> dict[str, Any]:
    return reference_row(f"{SET}{pair}", "", {}, math.nan, chosen.energy_tag, status=SEARCHED)
