"""The samples of one reduced formula: their matches with references and with each other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, product
from typing import Final

from adit.score.matching.linking import SETTINGS, TRAINING, Fits, Groups, LinkTask, run_links
from adit.systems import AtomicSystem

BLOCK: Final = 24
"""Crystals compared in one task; larger groups of one formula are split into blocks for parallel work."""

ReducedIndex = Mapping[str, Sequence[tuple[AtomicSystem, bool]]]
"""By reduced formula: (reduced reference, is in the training split)."""


@dataclass
class FormulaGroup:
    """The samples of one formula in one population, in the order of their content.

    Attributes:
        population: name of the population.
        formula: reduced formula.
        members: reduced samples.
        components: groups of matching members, by settings name.
        matches: by settings name, indices of the members that match (a training structure, any reference).
        reasons: by index, why a member could not be compared.
    """

    population: str
    formula: str
    members: list[AtomicSystem] = field(default_factory=list)
    components: dict[str, Groups] = field(default_factory=dict)
    matches: dict[str, tuple[set[int], set[int]]] = field(default_factory=dict)
    reasons: dict[int, str] = field(default_factory=dict)


def compare_with_references(
    groups: Sequence[FormulaGroup], index: ReducedIndex, compare: Fits, workers: int, wall_limit_s: float
) -> tuple[int, int]:
    """Find matches of samples with references, and return the numbers of compared and of excluded pairs.

    Args:
        groups: samples by formula; their ``matches`` and ``reasons`` are changed in place.
        index: reduced references by formula.
        compare: compares two structures.
        workers: largest number of processes.
        wall_limit_s: limit on the wall time of one task, s.
    """
    tasks: list[tuple[FormulaGroup, int, LinkTask]] = []
    for group in groups:
        group.matches = {settings.name: (set(), set()) for settings in SETTINGS}
        beside = sorted(index.get(group.formula, ()), key=lambda pair: not pair[1])
        size = max(1, BLOCK * BLOCK // max(1, len(beside)))
        for start in range(0, len(group.members), size) if beside else ():
            block = group.members[start : start + size]
            members = (*block, *(system for system, _ in beside))
            pairs = tuple(product(range(len(block)), range(len(block), len(members))))
            classes = (*[0] * len(block), *(TRAINING if in_train else TRAINING + 1 for _, in_train in beside))
            tasks.append((group, start, LinkTask(members, pairs, classes, compare=compare)))
    work = [task for _, _, task in tasks]
    results = run_links(work, workers=workers, wall_limit_s=wall_limit_s, what="tasks compared with the reference")
    for (group, start, task), links in zip(tasks, results, strict=True):
        for name, edges in links.edges.items():
            for first, second in edges:
                group.matches[name][1].add(start + first)
                if task.classes[second] == TRAINING:
                    group.matches[name][0].add(start + first)
        group.reasons |= {start + number: reason for number, reason in links.reasons.items()}
    return sum(links.compared for links in results), sum(links.excluded for links in results)


STAGES: Final = ("within", "next", "others")
"""Samples of a formula are compared within blocks, then with the next block, then with all others. Repeated samples are
connected after the second stage, and connected samples are not compared again."""


def compare_with_each_other(
    groups: Sequence[FormulaGroup], stage: str, compare: Fits, workers: int, wall_limit_s: float
) -> tuple[int, int]:
    """Connect matching samples of each formula in one of ``STAGES``; return the numbers of compared and excluded pairs.

    Args:
        groups: samples by formula; their ``components`` and ``reasons`` are changed in place.
        stage: one of ``STAGES``, which come in this order.
        compare: compares two structures.
        workers: largest number of processes.
        wall_limit_s: limit on the wall time of one task, s.
    """
    tasks: list[tuple[FormulaGroup, list[int], LinkTask]] = []
    for group in groups:
        if not group.components:
            group.components = {settings.name: Groups(len(group.members)) for settings in SETTINGS}
        kept = [number for number in range(len(group.members)) if number not in group.reasons]
        for numbers, pairs in _blocks(kept, stage):
            roots = {
                name: [components.root(number) for number in numbers] for name, components in group.components.items()
            }
            apart = tuple((i, j) for i, j in pairs if any(labelling[i] != labelling[j] for labelling in roots.values()))
            if apart:
                labels = {name: tuple(_first_equal(labelling)) for name, labelling in roots.items()}
                members = tuple(group.members[number] for number in numbers)
                tasks.append((group, numbers, LinkTask(members, apart, labels=labels, compare=compare)))
    if not tasks:
        return 0, 0
    work = [task for _, _, task in tasks]
    results = run_links(work, workers=workers, wall_limit_s=wall_limit_s, what="tasks compared with each other")
    for (group, numbers, _), links in zip(tasks, results, strict=True):
        for name, edges in links.edges.items():
            for first, second in edges:
                group.components[name].join(numbers[first], numbers[second])
        group.reasons |= {numbers[number]: reason for number, reason in links.reasons.items()}
    return sum(links.compared for links in results), sum(links.excluded for links in results)


def _blocks(kept: Sequence[int], stage: str) -> Iterator[tuple[list[int], Iterable[tuple[int, int]]]]:
    """Yield indices and pairs to compare: within each block, between neighbouring blocks, or between all others."""
    blocks = [list(kept[start : start + BLOCK]) for start in range(0, len(kept), BLOCK)]
    if stage == "within":
        for block in blocks:
            yield block, combinations(range(len(block)), 2)
        return
    for one, other in combinations(range(len(blocks)), 2):
        if (other == one + 1) == (stage == "next"):
            first, second = blocks[one], blocks[other]
            yield [*first, *second], product(range(len(first)), range(len(first), len(first) + len(second)))


def _first_equal(values: Sequence[int]) -> list[int]:
    """Return for each value the position of the first one equal to it."""
    first: dict[int, int] = {}
    return [first.setdefault(value, position) for position, value in enumerate(values)]
