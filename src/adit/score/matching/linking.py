"""Comparisons of reduced crystals in worker processes: samples with each other and with references."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from math import log
from typing import Any, Final

from adit import convert
from adit.isolate import map_isolated
from adit.progress import Progress
from adit.score.matching.fingerprints import STARTUP_S, Bound
from adit.systems import AtomicSystem


@dataclass(frozen=True)
class MatcherSettings:
    """Tolerances of ``StructureMatcher``.

    Attributes:
        name: name in tables.
        ltol: fractional length tolerance.
        stol: site tolerance, as a fraction of (V/n)^(1/3).
        angle_tol: angle tolerance, degrees.
    """

    name: str
    ltol: float
    stol: float
    angle_tol: float


LOOSE: Final = MatcherSettings("loose", ltol=0.3, stol=0.5, angle_tol=10.0)
"""The paper's evaluator."""

DEFAULT: Final = MatcherSettings("default", ltol=0.2, stol=0.3, angle_tol=5.0)
"""pymatgen's defaults: FlowMM, MatterGen."""

TIGHT: Final = MatcherSettings("tight", ltol=0.1, stol=0.3, angle_tol=5.0)
"""LeMat-GenBench's leaderboard."""

SETTINGS: Final = (LOOSE, DEFAULT, TIGHT)

TRAINING: Final = 1
"""Number of the training split among the sets of references."""

Pair = tuple[int, int]
"""Indices of two members of a task."""

Fits = Callable[[Any, Any, MatcherSettings], bool]
"""Compares two reduced pymatgen structures."""


@cache
def matcher(settings: MatcherSettings) -> Any:
    """Return pymatgen's ``StructureMatcher`` with these tolerances."""
    from adit.score.matching.fast_matcher import FastMatcher

    return FastMatcher(ltol=settings.ltol, stol=settings.stol, angle_tol=settings.angle_tol)


def load_matchers() -> None:
    """Load the libraries of a worker before the time of its first task starts."""
    for settings in SETTINGS:
        matcher(settings)


def fits(first: Any, second: Any, settings: MatcherSettings) -> bool:
    """Return whether two reduced structures match; the result can depend on their order."""
    return bool(matcher(settings).fit(first, second, skip_structure_reduction=True))


@dataclass(frozen=True)
class LinkTask:
    """Comparisons of crystals of one reduced formula.

    Attributes:
        members: reduced crystals.
        pairs: indices of the members to compare, in this order.
        classes: for each member the set of references that it belongs to (``TRAINING`` or another); the first match
            of a pair's first member within a set ends the search in it, and in all sets if it is in the training split.
            Empty: two members that are connected already are not compared.
        labels: by settings name, for each member the smallest index of those already connected with it.
        compare: compares two structures.
        settings: tolerances to compare with, one after the other.
    """

    members: tuple[AtomicSystem, ...]
    pairs: tuple[Pair, ...]
    classes: tuple[int, ...] = ()
    labels: dict[str, tuple[int, ...]] = field(default_factory=dict)
    compare: Fits = fits
    settings: tuple[MatcherSettings, ...] = SETTINGS


@dataclass(frozen=True)
class Links:
    """Result of a task.

    Attributes:
        edges: by settings name, matching pairs that connect members.
        compared: number of pairs compared by the matcher.
        excluded: number of pairs excluded by the bound.
        reasons: by index of a member, why it could not be compared.
    """

    edges: dict[str, list[Pair]]
    compared: int
    excluded: int
    reasons: dict[int, str] = field(default_factory=dict)


def link(task: LinkTask) -> Links:
    """Compare the pairs of a task in both orders, since the matcher may find a match in only one of them."""
    structures = [convert.to_structure(member) for member in task.members]
    bounds = [Bound(member) for member in task.members]
    edges: dict[str, list[Pair]] = {}
    compared = excluded = 0
    for settings in task.settings:
        pairs_linked: list[Pair] = []
        search = _Search(task, settings)
        for first, second in task.pairs:
            if search.is_known(first, second):
                continue
            orders = [
                (one, other)
                for one, other in ((first, second), (second, first))
                if not bounds[one].excludes(bounds[other], settings.ltol)
            ]
            if not orders:
                excluded += 1
                continue
            compared += 1
            if any(task.compare(structures[one], structures[other], settings) for one, other in orders):
                search.add(first, second)
                pairs_linked.append((first, second))
        edges[settings.name] = pairs_linked
    return Links(edges, compared, excluded)


class _Search:
    """Tracks which comparisons are redundant."""

    def __init__(self, task: LinkTask, settings: MatcherSettings) -> None:
        self._classes = task.classes
        self._hits: set[Pair] = set()
        self._groups = Groups(len(task.members))
        for number, label in enumerate(task.labels.get(settings.name, ())):
            self._groups.join(number, label)

    def is_known(self, first: int, second: int) -> bool:
        if self._classes:
            return (first, TRAINING) in self._hits or (first, self._classes[second]) in self._hits
        return self._groups.root(first) == self._groups.root(second)

    def add(self, first: int, second: int) -> None:
        if self._classes:
            self._hits.add((first, self._classes[second]))
        else:
            self._groups.join(first, second)


class Groups:
    """Connected components of the indices 0 to ``total`` - 1; the smallest index represents its component.

    Args:
        total: number of indices.
    """

    def __init__(self, total: int) -> None:
        self._parent = list(range(total))

    def root(self, number: int) -> int:
        """Return the smallest index connected with this one."""
        while self._parent[number] != number:
            self._parent[number] = self._parent[self._parent[number]]
            number = self._parent[number]
        return number

    def join(self, first: int, second: int) -> None:
        """Connect two indices."""
        one, other = self.root(first), self.root(second)
        self._parent[max(one, other)] = min(one, other)


def run_links(tasks: Sequence[LinkTask], *, workers: int, wall_limit_s: float, what: str) -> list[Links]:
    """Run tasks in worker processes; a task that hangs or crashes is split to find the crystal at fault.

    Args:
        tasks: the tasks.
        workers: largest number of processes.
        wall_limit_s: limit on the wall time of one task, and of one crystal's pairs in a task that failed, s.
        what: noun for the progress lines.
    """
    progress = Progress(what, len(tasks))
    outcomes = map_isolated(
        link,
        tasks,
        workers=workers,
        wall_limit_s=wall_limit_s,
        on_result=lambda _, __: progress.update(),
        startup_s=STARTUP_S,
        warm_up=load_matchers,
    )
    return [
        outcome.value if outcome.status == "ok" else _row_by_row(task, workers, wall_limit_s)
        for task, outcome in zip(tasks, outcomes, strict=True)
    ]


def _row_by_row(task: LinkTask, workers: int, wall_limit_s: float) -> Links:
    """Run a task as one row per crystal; a row that fails gives its crystal a reason.

    A pair belongs to the row of the crystal with the more unusual cell, which is likely to make the matcher hang; with
    references, to the row of the sample.
    """
    order = {n: (0.0, n) if task.classes else (-_strangeness(m), n) for n, m in enumerate(task.members)}
    rows: dict[int, list[Pair]] = {}
    for pair in task.pairs:
        owner = pair[0] if task.classes else min(pair, key=order.__getitem__)
        rows.setdefault(owner, []).append(pair)
    work = [replace(task, pairs=tuple(pairs)) for pairs in rows.values()]
    outcomes = map_isolated(
        link, work, workers=workers, wall_limit_s=wall_limit_s, startup_s=STARTUP_S, warm_up=load_matchers
    )
    good = [outcome.value for outcome in outcomes if outcome.status == "ok"]
    return Links(
        {settings.name: [edge for links in good for edge in links.edges[settings.name]] for settings in task.settings},
        sum(links.compared for links in good),
        sum(links.excluded for links in good),
        {n: outcome.reason for n, outcome in zip(rows, outcomes, strict=True) if outcome.status != "ok"},
    )


def _strangeness(system: AtomicSystem) -> float:
    """Return a measure of how unusual a cell is: elongated, or far from 20 Å³ per atom."""
    elongation = float(system.lengths.max()) / system.volume ** (1 / 3)
    return log(elongation) + abs(log(system.volume / len(system) / 20.0))
