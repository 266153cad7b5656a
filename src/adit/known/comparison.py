"""Which known phase a crystal is: by the matcher of uniqueness, and by one of ordered with disordered crystals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final

from adit import convert
from adit.elements import composition
from adit.isolate import map_isolated
from adit.known.phases import Disordered, KnownPhase
from adit.progress import quantity
from adit.score.matching.fingerprints import STARTUP_S, reduce_all
from adit.score.matching.linking import DEFAULT, LOOSE, TRAINING, LinkTask, load_matchers, run_links
from adit.systems import AtomicSystem, Failure

WALL_LIMIT_S: Final = 60.0
"""Limit on the wall time of one reduction, and of all comparisons of one crystal, s."""

COMPOSITION: Final = 0.05
"""Largest difference of the share of an element between an ordered variant and its phase, for rounded occupancies."""


@dataclass(frozen=True)
class Compared:
    """Result of comparing one crystal with known phases.

    Attributes:
        phase: the known phase that matches, ordered or disordered; ``None`` if none does.
        ordered: whether the crystal is that phase itself, and not an ordered variant of a disordered phase.
        reason: why the comparison is not complete; empty if it is.
    """

    phase: KnownPhase | None = None
    ordered: bool = True
    reason: str = ""


def compare(
    crystals: Mapping[str, AtomicSystem], phases: Mapping[str, Sequence[KnownPhase]], workers: int
) -> dict[str, Compared]:
    """Return the result for each crystal, by its key.

    Ordered phases are matched with ``LOOSE``, as for uniqueness; disordered ones with the tolerances of ``DEFAULT``.

    Args:
        crystals: crystals by key.
        phases: by key of a crystal, the phases that it is compared with; the first match counts.
        workers: largest number of processes.
    """
    results = _ordered(crystals, phases, workers)
    left = [key for key, result in results.items() if result.phase is None and not result.reason]
    return results | _variants({key: crystals[key] for key in left}, phases, workers)


def _ordered(
    crystals: Mapping[str, AtomicSystem], phases: Mapping[str, Sequence[KnownPhase]], workers: int
) -> dict[str, Compared]:
    ordered = {
        key: [n for n, phase in enumerate(phases.get(key, ())) if isinstance(phase.structure, AtomicSystem)]
        for key in crystals
    }
    concerned = [key for key, numbers in ordered.items() if numbers]
    structures = [phases[key][n].structure for key in concerned for n in ordered[key]]
    unique = {id(row): row for row in structures if isinstance(row, AtomicSystem)}
    rows = [*(crystals[key] for key in concerned), *unique.values()]
    reduced = reduce_all(rows, workers=workers, wall_limit_s=WALL_LIMIT_S, what="structures reduced") if rows else []
    samples = dict(zip(concerned, reduced, strict=False))
    reduced_by_id = dict(zip(unique, reduced[len(concerned) :], strict=True))
    results = {key: Compared() for key in crystals}
    work: list[tuple[str, list[int], LinkTask]] = []
    for key, sample in samples.items():
        if isinstance(sample, Failure):
            results[key] = Compared(reason=sample.reason)
            continue
        pairs = [(n, reduced_by_id[id(phases[key][n].structure)]) for n in ordered[key]]
        usable = [(n, row) for n, row in pairs if isinstance(row, AtomicSystem)]
        if len(usable) < len(pairs):
            broken = quantity(len(pairs) - len(usable), "known structure")
            results[key] = Compared(reason=f"{broken} could not be reduced")
        if usable:
            members = (sample, *(replace(row, system_id=str(n)) for n, row in usable))
            classes = (0, *[TRAINING] * len(usable))
            tasks = tuple((0, n) for n in range(1, len(members)))
            work.append((key, [n for n, _ in usable], LinkTask(members, tasks, classes, settings=(LOOSE,))))
    links = run_links(
        [task for _, _, task in work], workers=workers, wall_limit_s=WALL_LIMIT_S, what="crystals compared"
    )
    for (key, numbers, _), result in zip(work, links, strict=True):
        if edges := result.edges[LOOSE.name]:
            results[key] = Compared(phases[key][numbers[edges[0][1] - 1]])
        elif result.reasons:
            results[key] = Compared(reason="; ".join(result.reasons.values()))
    return results


@dataclass(frozen=True)
class _Task:
    crystal: AtomicSystem
    phases: tuple[Disordered, ...]


def _variants(
    crystals: Mapping[str, AtomicSystem], phases: Mapping[str, Sequence[KnownPhase]], workers: int
) -> dict[str, Compared]:
    candidates = {
        key: [phase for phase in phases.get(key, ()) if isinstance(phase.structure, Disordered)] for key in crystals
    }
    work = {
        key: _Task(crystals[key], tuple(p.structure for p in rows if isinstance(p.structure, Disordered)))
        for key, rows in candidates.items()
        if rows
    }
    outcomes = map_isolated(
        first_variant,
        list(work.values()),
        workers=workers,
        wall_limit_s=WALL_LIMIT_S,
        startup_s=STARTUP_S,
        warm_up=load_matchers,
    )
    results = {}
    for key, outcome in zip(work, outcomes, strict=True):
        if outcome.status != "ok":
            results[key] = Compared(reason=f"not compared with disordered phases: {outcome.reason}")
        elif outcome.value is not None:
            results[key] = Compared(candidates[key][outcome.value], ordered=False)
    return results


def first_variant(task: _Task) -> int | None:
    """Return the index of the first disordered phase of which a crystal is an ordered variant; ``None`` if of none."""
    crystal = convert.to_structure(task.crystal)
    for number, phase in enumerate(task.phases):
        if not _same_elements(task.crystal, phase):
            continue
        other = convert.disordered_structure(phase.cell, phase.positions, phase.occupancies)
        if any(_matcher().fit(one, two) for one, two in ((crystal, other), (other, crystal))):
            return number
    return None


def _same_elements(crystal: AtomicSystem, phase: Disordered) -> bool:
    counts = composition(crystal.numbers)
    shares = {symbol: count / len(crystal) for symbol, count in counts.items()}
    amounts = phase.amounts
    return set(shares) == set(amounts) and all(abs(shares[each] - amounts[each]) <= COMPOSITION for each in shares)


@cache
def _matcher() -> Any:
    """Return pymatgen's matcher of ordered with disordered crystals, also of different cells.

    It has the default tolerances: with the loose ones, bcc lattices match fcc ones, so that B2 would be ordered A1.
    """
    from pymatgen.analysis.structure_matcher import OrderDisorderElementComparator, StructureMatcher

    class SameSites(OrderDisorderElementComparator):  # type: ignore[misc]
        """Compares sites; compositions were compared before, with a tolerance."""

        def get_hash(self, composition: Any) -> str:
            """Return the same for all compositions."""
            return ""

    return StructureMatcher(
        ltol=DEFAULT.ltol,
        stol=DEFAULT.stol,
        angle_tol=DEFAULT.angle_tol,
        comparator=SameSites(),
        attempt_supercell=True,
    )
