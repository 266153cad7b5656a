"""Uniqueness and novelty of crystals by pymatgen's ``StructureMatcher``: the result of all pairs, but fast.

Only crystals of the same reduced formula can match. Each is reduced once; a bound on the lattices excludes pairs that
cannot match; two samples that are already connected are not compared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from adit import convert
from adit.elements import reduced_formula
from adit.progress import log, quantity
from adit.score.common.content import content_key
from adit.score.matching.fingerprints import Reduced, reduce_all, reduce_crystal, reduce_references
from adit.score.matching.formula_groups import (
    STAGES,
    FormulaGroup,
    ReducedIndex,
    compare_with_each_other,
    compare_with_references,
)
from adit.score.matching.linking import DEFAULT, LOOSE, SETTINGS, TIGHT, Fits, MatcherSettings, fits, matcher
from adit.systems import AtomicSystem, Failure

__all__ = ["DEFAULT", "LOOSE", "SETTINGS", "TIGHT", "Match", "MatcherSettings", "Matches", "match_all", "rms_distance"]

TRAIN: Final = "train"
"""Name of the training split."""


@dataclass(frozen=True)
class Match:
    """Matches of a structure for one matcher setting.

    Attributes:
        group: smallest id of its group of samples.
        in_train: whether it matches a structure of the training split.
        in_reference: whether it matches a reference structure of any split.
    """

    group: str
    in_train: bool
    in_reference: bool


ReferenceIndex = Mapping[str, Sequence[tuple[AtomicSystem, bool]]]
"""By reduced formula: (structure, is in the training split)."""


def index_references(systems: Sequence[AtomicSystem], splits: Sequence[str | None]) -> ReferenceIndex:
    """Index reference crystals by reduced formula.

    Args:
        systems: reference crystals.
        splits: name of the split of each; ``None``: in none.
    """
    index: dict[str, list[tuple[AtomicSystem, bool]]] = {}
    for system, split in zip(systems, splits, strict=True):
        index.setdefault(reduced_formula(system.numbers), []).append((system, split == TRAIN))
    return index


Key = tuple[str, str]
"""Population and id; ids are unique within a population only."""


@dataclass(frozen=True)
class Matches:
    """Matches of all structures.

    Attributes:
        matches: matches by population and id, then by settings name.
        reasons: why, for those that could not be matched (they are not in ``matches``).
        compared: number of pairs compared by the matcher, for all settings together.
        excluded: number of pairs of equal formula excluded by the bound.
        has_references: whether there was any reference structure.
    """

    matches: Mapping[Key, Mapping[str, Match]]
    reasons: Mapping[Key, str]
    compared: int = 0
    excluded: int = 0
    has_references: bool = True

    def get(self, population: str, system_id: str, settings: MatcherSettings) -> Match | None:
        """Return the match of a structure, ``None`` if there is none."""
        return self.matches.get((population, system_id), {}).get(settings.name)


def match_all(
    populations: Mapping[str, Sequence[AtomicSystem]],
    references: ReferenceIndex,
    *,
    workers: int,
    wall_limit_s: float,
    cache: Path | None = None,
    compare: Fits = fits,
    reduce: Callable[[AtomicSystem], AtomicSystem] = reduce_crystal,
) -> Matches:
    """Group the systems of each population and match them against references.

    The systems of a population form a graph whose edges are matches; a group is a connected component, so that the
    number of groups does not depend on the order of the systems (matching is not transitive). The matcher can depend on
    the order of two structures, so they are ordered by content, not by name. The smallest id represents its group.

    Args:
        populations: crystals by population, with different ids within each.
        references: see ``index_references``.
        workers: largest number of processes.
        wall_limit_s: limit on the wall time of reducing one structure, and of one task of comparisons, s.
        cache: folder in which reduced references are kept, or ``None``.
        compare: importable function that compares two reduced structures.
        reduce: importable function that reduces a crystal.
    """
    matches: dict[Key, Mapping[str, Match]] = {}
    reasons: dict[Key, str] = {}
    waiting: list[tuple[FormulaGroup, list[AtomicSystem]]] = []
    for name, systems in populations.items():
        for formula, members in _by_formula(systems).items():
            if len(members) == 1 and formula not in references:
                lone = members[0].system_id
                matches[name, lone] = {settings.name: Match(lone, False, False) for settings in SETTINGS}
            else:
                waiting.append(
                    (FormulaGroup(name, formula), sorted(members, key=lambda m: (content_key(m), m.system_id)))
                )
    rows = [(group, member) for group, members in waiting for member in members]
    reduced = reduce_all([member for _, member in rows], function=reduce, workers=workers, wall_limit_s=wall_limit_s)
    for (group, member), row in zip(rows, reduced, strict=True):
        if isinstance(row, Failure):
            reasons[group.population, member.system_id] = f"matching: {row.reason}"
        else:
            group.members.append(row)
    groups = [group for group, _ in waiting]
    index = _reduced_references(groups, references, cache, workers, wall_limit_s)
    counts = compare_with_references(groups, index, compare, workers, wall_limit_s)
    for stage in STAGES:
        more = compare_with_each_other(groups, stage, compare, workers, wall_limit_s)
        counts = counts[0] + more[0], counts[1] + more[1]
    for group in groups:
        reasons |= {(group.population, group.members[n].system_id): f"matching: {r}" for n, r in group.reasons.items()}
        matches |= _matches(group)
    if reasons:
        number = quantity(len(reasons), "structure")
        log.info("%s could not be matched: neither unique nor novel", number)
    return Matches(matches, reasons, *counts, has_references=bool(references))


def _by_formula(systems: Sequence[AtomicSystem]) -> dict[str, list[AtomicSystem]]:
    members: dict[str, list[AtomicSystem]] = {}
    for system in systems:
        members.setdefault(reduced_formula(system.numbers), []).append(system)
    return members


def _reduced_references(
    groups: Sequence[FormulaGroup], references: ReferenceIndex, cache: Path | None, workers: int, wall_limit_s: float
) -> ReducedIndex:
    """Return the reduced references of the groups' formulas; references that cannot be reduced are left out."""
    formulas = sorted({group.formula for group in groups} & set(references))
    flat = [(formula, system, in_train) for formula in formulas for system, in_train in references[formula]]
    reduced: list[Reduced] = reduce_references(
        [system for _, system, _ in flat], cache, workers=workers, wall_limit_s=wall_limit_s
    )
    index: dict[str, list[tuple[AtomicSystem, bool]]] = {}
    for (formula, _, in_train), row in zip(flat, reduced, strict=True):
        if isinstance(row, AtomicSystem):
            index.setdefault(formula, []).append((row, in_train))
        else:
            log.info("reference %s: %s", row.system_id, row.reason)
    return index


def _matches(group: FormulaGroup) -> dict[Key, dict[str, Match]]:
    """Return the matches of the members; those with a reason are left out."""
    matches: dict[Key, dict[str, Match]] = {}
    kept = [number for number in range(len(group.members)) if number not in group.reasons]
    for settings in SETTINGS:
        in_train, in_reference = group.matches[settings.name]
        roots = {number: group.components[settings.name].root(number) for number in kept}
        names: dict[int, str] = {}
        for number in kept:
            system_id = group.members[number].system_id
            names[roots[number]] = min(names.get(roots[number], system_id), system_id)
        for number in kept:
            match = Match(names[roots[number]], number in in_train, number in in_reference)
            matches.setdefault((group.population, group.members[number].system_id), {})[settings.name] = match
    return matches


def rms_distance(first: AtomicSystem, second: AtomicSystem, settings: MatcherSettings) -> float | None:
    """Return pymatgen's RMS distance of two crystals over (V/n)^(1/3), which has no unit; ``None`` without a match."""
    distance = matcher(settings).get_rms_dist(convert.to_structure(first), convert.to_structure(second))
    return None if distance is None else float(distance[0])
