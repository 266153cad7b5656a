"""Which new members are the same as which others: the matching of uniqueness, each pair compared once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Final

from adit.progress import log, quantity
from adit.score.matching.fingerprints import reduce_all
from adit.score.matching.linking import LOOSE, LinkTask, run_links
from adit.systems import AtomicSystem, Failure

BLOCK: Final = 24
"""Number of new members of one formula that one task compares with all others of it."""

WALL_LIMIT_S: Final = 60.0
"""Limit on the wall time of one reduction, and of the comparisons of one task, s."""


@dataclass(frozen=True)
class Peer:
    """A crystal to compare.

    Attributes:
        number: number of the member; new members have negative ones.
        formula: reduced formula.
        candidate: number of the candidate, which members that are known to be the same have in common.
        reduced: the crystal, reduced for matching.
    """

    number: int
    formula: str
    candidate: int
    reduced: AtomicSystem


def reduced_of(systems: Mapping[int, AtomicSystem], workers: int) -> dict[int, AtomicSystem]:
    """Return crystals reduced for matching, by number; one that cannot be reduced is left out, and matches no other.

    Args:
        systems: crystals by number.
        workers: largest number of processes.
    """
    rows = [replace(system, system_id=str(number)) for number, system in systems.items()]
    results = reduce_all(rows, workers=workers, wall_limit_s=WALL_LIMIT_S)
    failures = [row for row in results if isinstance(row, Failure)]
    if failures:
        number = quantity(len(failures), "structure")
        log.info("%s could not be reduced: merged with equal ones only", number)
    return {int(row.system_id): row for row in results if isinstance(row, AtomicSystem)}


def matching_pairs(new: Sequence[Peer], there: Sequence[Peer], workers: int) -> list[tuple[int, int]]:
    """Return the numbers of pairs that match: a new member, and one of ``there``.

    The matcher is that of uniqueness, with the tolerances ``LOOSE``.

    Args:
        new: crystals to compare.
        there: crystals that each new one of the same formula is compared with: members of the ledger, or ``new``
            itself, whose pairs are compared once.
        workers: largest number of processes.
    """
    by_formula = {formula: list(peers) for formula, peers in groupby(sorted(there, key=_formula), key=_formula)}
    tasks: list[tuple[LinkTask, list[Peer]]] = []
    for formula, group in groupby(sorted(new, key=_formula), key=_formula):
        members, others = list(group), by_formula.get(formula, [])
        for start in range(0, len(members), BLOCK):
            tasks += _task(members[start : start + BLOCK], others)
    results = run_links(
        [task for task, _ in tasks], workers=workers, wall_limit_s=WALL_LIMIT_S, what="formulas compared"
    )
    return [
        (peers[first].number, peers[second].number)
        for (_, peers), links in zip(tasks, results, strict=True)
        for first, second in links.edges[LOOSE.name]
    ]


def _formula(peer: Peer) -> str:
    return peer.formula


def _task(members: Sequence[Peer], others: Sequence[Peer]) -> list[tuple[LinkTask, list[Peer]]]:
    """Return the comparisons of a block with the others of its formula; none where there is nothing to compare."""
    mine = {peer.number: index for index, peer in enumerate(members)}
    strangers = [peer for peer in others if peer.number > 0 or peer.number < min(mine)]  # later blocks come later
    peers = [*members, *strangers]
    pairs = [(i, j) for i in range(len(members)) for j in range(i + 1, len(peers))]
    if not pairs:
        return []
    first: dict[int, int] = {}
    labels = tuple(first.setdefault(peer.candidate, index) for index, peer in enumerate(peers))
    crystals = tuple(peer.reduced for peer in peers)
    return [(LinkTask(crystals, tuple(pairs), labels={LOOSE.name: labels}, settings=(LOOSE,)), peers)]
