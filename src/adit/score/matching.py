"""Uniqueness and novelty of crystals by pymatgen's ``StructureMatcher``, indexed by reduced formula."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from typing import Any, Final

from adit import convert
from adit.elements import reduced_formula
from adit.isolate import Outcome, map_isolated
from adit.progress import Progress, log
from adit.systems import AtomicSystem


@dataclass(frozen=True)
class MatcherSettings:
    """Tolerances of ``StructureMatcher``.

    Attributes:
        name: how tables call them.
        ltol: fractional length tolerance.
        stol: site tolerance, as a fraction of (V/n)^(1/3).
        angle_tol: degrees.
    """

    name: str
    ltol: float
    stol: float
    angle_tol: float


LOOSE: Final = MatcherSettings("loose", ltol=0.3, stol=0.5, angle_tol=10.0)
"""The paper's evaluator."""

DEFAULT: Final = MatcherSettings("default", ltol=0.2, stol=0.3, angle_tol=5.0)
"""pymatgen's defaults: FlowMM, MatterGen."""

SETTINGS: Final = (LOOSE, DEFAULT)

TRAIN: Final = "train"


@dataclass(frozen=True)
class Match:
    """What a structure matches, for one matcher setting.

    Attributes:
        group: smallest id of the group of samples that it belongs to.
        in_train: whether it matches a structure of the training split.
        in_reference: whether it matches any reference structure, of whatever split.
    """

    group: str
    in_train: bool
    in_reference: bool


@dataclass(frozen=True)
class FormulaTask:
    """The samples and references of one reduced formula.

    Attributes:
        samples: the samples.
        references: (structure, is in the training split).
    """

    samples: tuple[AtomicSystem, ...]
    references: tuple[tuple[AtomicSystem, bool], ...]


ReferenceIndex = Mapping[str, Sequence[tuple[AtomicSystem, bool]]]


def index_references(systems: Sequence[AtomicSystem], splits: Sequence[str | None]) -> ReferenceIndex:
    """Index reference crystals by reduced formula."""
    index: dict[str, list[tuple[AtomicSystem, bool]]] = {}
    for system, split in zip(systems, splits, strict=True):
        index.setdefault(reduced_formula(system.numbers), []).append((system, split == TRAIN))
    return index


Key = tuple[str, str]
"""Population and id: ids differ within a population only."""


@dataclass(frozen=True)
class Matches:
    """What all structures match.

    Attributes:
        found: by population and id, then by settings name.
        reasons: why, for those that could not be matched (``found`` has not got them).
    """

    found: Mapping[Key, Mapping[str, Match]]
    reasons: Mapping[Key, str]

    def get(self, population: str, system_id: str, settings: MatcherSettings) -> Match | None:
        """Return the match of a structure, ``None`` where there is none."""
        return self.found.get((population, system_id), {}).get(settings.name)


def match_all(
    populations: Mapping[str, Sequence[AtomicSystem]],
    references: ReferenceIndex,
    *,
    workers: int,
    wall_limit_s: float,
) -> Matches:
    """Group the systems of each population and match them against references.

    The systems of a population form a graph in which an edge is a match; a group is a connected component, so that the
    number of groups does not depend on the order of the systems (a match is no equivalence relation). The smallest id
    stands for its group.

    Args:
        populations: crystals by population, with different ids within each.
        references: see ``index_references``.
        workers: processes at most.
        wall_limit_s: wall time of one structure, s; a formula gets it once for each of its systems.
    """
    found: dict[Key, Mapping[str, Match]] = {}
    reasons: dict[Key, str] = {}
    tasks: list[tuple[str, FormulaTask]] = []
    for name, systems in populations.items():
        for task in _by_formula(systems, references):
            if len(task.samples) == 1 and not task.references:
                lone = task.samples[0].system_id
                found[name, lone] = {settings.name: Match(lone, False, False) for settings in SETTINGS}
            else:
                tasks.append((name, task))
    tasks.sort(key=lambda named: -len(named[1].samples) * (len(named[1].samples) + len(named[1].references)))
    progress = Progress("groups of equal formula matched", len(tasks))

    def done(index: int, outcome: Outcome) -> None:
        name, task = tasks[index]
        if outcome.status == "ok":
            answers = outcome.value
        else:
            answers = {s.system_id: f"matching: {outcome.reason}" for s in task.samples}
        for system_id, answer in answers.items():
            if isinstance(answer, str):
                reasons[name, system_id] = answer
            else:
                found[name, system_id] = answer
        progress.update()

    limit = wall_limit_s * max((len(task.samples) for _, task in tasks), default=1)
    work = [task for _, task in tasks]
    map_isolated(match_formula, work, workers=workers, wall_limit_s=limit, on_result=done)
    if reasons:
        log.info("%d structures could not be matched: they count as neither unique nor novel", len(reasons))
    return Matches(found, reasons)


def _by_formula(systems: Sequence[AtomicSystem], references: ReferenceIndex) -> list[FormulaTask]:
    members: dict[str, list[AtomicSystem]] = {}
    for system in systems:
        members.setdefault(reduced_formula(system.numbers), []).append(system)
    return [FormulaTask(tuple(found), tuple(references.get(formula, ()))) for formula, found in members.items()]


def match_formula(task: FormulaTask) -> dict[str, dict[str, Match] | str]:
    """Match the samples of one reduced formula among themselves and against the references.

    Returns:
        By id: the matches by settings name, or why the structure cannot be matched.
    """
    found: dict[str, dict[str, Match] | str] = {}
    samples: list[tuple[str, Any]] = []
    for system in sorted(task.samples, key=lambda each: each.system_id):
        try:
            samples.append((system.system_id, _reduced_structure(system)))
        except Exception as error:  # noqa: BLE001 - pymatgen and spglib raise many kinds on nonsense cells: one row, one reason
            found[system.system_id] = f"matching: {type(error).__name__}: {' '.join(str(error).split())[:200]}"
    references = [(_reduced_structure(system), in_train) for system, in_train in task.references]
    for settings in SETTINGS:
        groups = _groups([structure for _, structure in samples], settings)
        for number, (system_id, structure) in enumerate(samples):
            in_train = any(_fits(structure, other, settings) for other, train in references if train)
            elsewhere = in_train or any(_fits(structure, other, settings) for other, train in references if not train)
            matches = found.setdefault(system_id, {})
            if isinstance(matches, dict):
                matches[settings.name] = Match(samples[groups[number]][0], in_train, elsewhere)
    return found


def _groups(structures: Sequence[Any], settings: MatcherSettings) -> list[int]:
    """Return for each structure the smallest index in its connected component; what is connected is not tried again."""
    parent = list(range(len(structures)))

    def root(index: int) -> int:
        while parent[index] != index:
            index = parent[index]
        return index

    for first, second in combinations(range(len(structures)), 2):
        one, other = root(first), root(second)
        if one != other and _fits(structures[first], structures[second], settings):
            parent[max(one, other)] = min(one, other)
    return [root(index) for index in range(len(structures))]


@cache
def _matcher(settings: MatcherSettings) -> Any:
    from pymatgen.analysis.structure_matcher import StructureMatcher

    return StructureMatcher(ltol=settings.ltol, stol=settings.stol, angle_tol=settings.angle_tol)


def rms_distance(first: AtomicSystem, second: AtomicSystem, settings: MatcherSettings) -> float | None:
    """Return the RMS distance of two crystals over (V/n)^(1/3), ``None`` where they do not match."""
    found = _matcher(settings).get_rms_dist(convert.to_structure(first), convert.to_structure(second))
    return None if found is None else float(found[0])


def _fits(first: Any, second: Any, settings: MatcherSettings) -> bool:
    return bool(_matcher(settings).fit(first, second, skip_structure_reduction=True))


def _reduced_structure(system: AtomicSystem) -> Any:
    """Return the Niggli-reduced primitive structure, as the matcher makes it, once instead of once a pair."""
    return convert.to_structure(system).get_reduced_structure(reduction_algo="niggli").get_primitive_structure()
