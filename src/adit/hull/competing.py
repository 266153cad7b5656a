"""Competing phases without a network: prototypes of the pairs of elements of which a hull has no compound.

All prototypes of a pair get a static energy; the best of each composition are relaxed with the potential of the hull. A
pair is searched completely or not at all, and kept in a table of the format of ``shipped``, which can be copied and
merged.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any, Final

from adit.columns import Col
from adit.config import RelaxConfig
from adit.elements import composition, reduced_formula
from adit.errors import ConfigError
from adit.hull.convex_hull import Hull, ReferenceEntry
from adit.hull.prototypes import decorated
from adit.hull.reference import limits_for
from adit.hull.reference_rows import reference_row
from adit.hull.shipped import TABLE, add_set, read_shipped
from adit.progress import log
from adit.relax.potentials import batch
from adit.relax.potentials.chosen import Chosen
from adit.relax.potentials.gpu import resolve_device
from adit.relax.potentials.outcome import Relaxed
from adit.relax.prerelax import chosen_of
from adit.systems import AtomicSystem

SET: Final = "prototypes:"
"""Prefix of the name of a pair's set in the table, e.g. ``prototypes:Fe-Zr``."""

BEST: Final = 3
"""Prototypes of each composition that are relaxed."""

WINDOW: Final = 0.3
"""Prototypes with a static energy further above the line between the elements are not relaxed, eV/atom."""

SEARCHED: Final = "searched"
"""Status of the row that says that a pair was searched; it has no energy."""


@dataclass(frozen=True)
class Search:
    """How missing pairs are searched.

    Attributes:
        relax: settings; the potential is that of the hull.
        cache: table of finished pairs, read and written.
        core_hours: budget; no further pair is started after it is spent, core hours.
        workers: processes at most.
    """

    relax: RelaxConfig
    cache: Path
    core_hours: float
    workers: int

    @property
    def chosen(self) -> Chosen:
        """Return the potential."""
        return chosen_of(self.relax)


def missing_pairs(hull: Hull, chemical: Iterable[frozenset[str]]) -> list[str]:
    """Return the pairs of which a hull has no compound, e.g. ``Fe-Zr``; pairs of most chemical systems come first.

    A pair with an element that has no reference is left out: compounds alone make no hull.
    """
    counts: Counter[str] = Counter()
    for elements in chemical:
        gaps = set(hull.gaps(elements))
        pairs = ["-".join(pair) for pair in combinations(sorted(elements), 2)]
        counts.update(pair for pair in pairs if pair in gaps and set(pair.split("-")) <= set(hull.elements))
    return [pair for pair, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]


def with_prototypes(hull: Hull, chemical: Iterable[frozenset[str]], search: Search) -> Hull:
    """Return a hull with the prototypes of its missing pairs, as far as they are cached or within the budget.

    Args:
        hull: reference entries of the search's potential.
        chemical: sets of elements in question.
        search: see ``Search``.

    Raises:
        ConfigError: the hull's energies are of another method than those of the prototypes.
    """
    tag = search.chosen.energy_tag
    if tag != hull.tag:
        raise ConfigError(
            f"hull.competing prototypes: they would be {tag}, the hull is {hull.tag}; set hull.reference: builtin, or "
            "hull.competing: none"
        )
    wanted = missing_pairs(hull, chemical)
    done = finished(search, wanted)
    spent = 0.0
    for pair in [pair for pair in wanted if pair not in done]:
        if spent >= 3600 * search.core_hours:
            break
        rows, seconds = search_pair(pair, hull, search)
        spent += seconds
        if not rows:
            log.warning("%s: no prototype has an energy; the pair stays unknown", pair)
            continue
        add_set(search.chosen.identity(), SET + pair, rows, limits_for(search.relax.fmax).fmax, search.cache)
        done[pair] = rows
        log.info("%s: %d prototypes of %d pairs, %.2g core hours", pair, len(rows) - 1, len(done), spent / 3600)
    left = len(wanted) - len(done)
    log.info("%d of %d missing pairs completed with prototypes", len(done), len(wanted))
    if left:
        log.info("%d pairs failed or are beyond the budget of %g core hours, and stay unknown", left, search.core_hours)
    return extended(hull, done)


def extended(hull: Hull, done: dict[str, list[dict[str, Any]]]) -> Hull:
    """Return the hull with the reference rows of completed pairs added."""
    import json

    entries = [entry for each in hull.entries.values() for entry in each]
    entries += [
        ReferenceEntry(json.loads(row[Col.COMPOSITION]), float(row[Col.ENERGY_PER_ATOM]))
        for rows in done.values()
        for row in rows
        if math.isfinite(row[Col.ENERGY_PER_ATOM])
    ]
    grown = Hull.from_entries(hull.tag, entries)
    return replace(grown, complete=hull.complete, completed=hull.completed | frozenset(done))


def finished(search: Search, pairs: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of pairs that were searched before, from the package's table or the user's, by pair."""
    results: dict[str, list[dict[str, Any]]] = {}
    fmax = limits_for(search.relax.fmax).fmax
    for path in (TABLE, search.cache):
        frame = read_shipped(search.chosen.identity(), path).frame
        frame = frame[frame["set"].astype(str).str.startswith(SET) & (frame[Col.FMAX] <= fmax)]
        for name, rows in frame.groupby("set"):
            pair = str(name).removeprefix(SET)
            if pair in pairs and (rows[Col.STATUS] == SEARCHED).any():
                results[pair] = rows.to_dict("records")
    return results


def search_pair(pair: str, hull: Hull, search: Search) -> tuple[list[dict[str, Any]], float]:
    """Search one pair.

    Args:
        pair: two symbols, e.g. ``Fe-Zr``.
        hull: energies of the elements.
        search: see ``Search``.

    Returns:
        The reference rows, and the time spent in core-seconds. There is one row per relaxed prototype, and one that
        marks the pair as searched; no row if the potential failed for all prototypes, or for all near the hull.
    """
    from ase.data import atomic_numbers

    first, second = (atomic_numbers[name] for name in pair.split("-"))
    candidates = list(decorated((first, second)))
    static = _energies([system for _, system in candidates], search, 0, f"prototypes of {pair}")
    chosen = best(candidates, static, hull.elements)
    relaxed = _energies(chosen, search, limits_for(search.relax.fmax).max_steps, f"best prototypes of {pair}")
    rows = [_prototype_row(system, result, hull.tag) for system, result in zip(chosen, relaxed, strict=True)]
    rows = [row for row in rows if row[Col.STATUS] in ("converged", "unconverged")]
    seconds = sum(result.wall_s for result in [*static, *relaxed])
    if not any(math.isfinite(result.energy_per_atom) for result in static) or (chosen and not rows):
        return [], seconds
    marker = reference_row(f"{SET}{pair}", "", {}, float("nan"), hull.tag, status=SEARCHED)
    return [*rows, marker], seconds


def best(
    candidates: Sequence[tuple[str, AtomicSystem]], results: Sequence[Relaxed], elements: dict[str, float]
) -> list[AtomicSystem]:
    """Return the ``BEST`` prototypes of each composition within ``WINDOW``, each at its best volume.

    Args:
        candidates: names and crystals; the volumes of one prototype share a name.
        results: static energies.
        elements: energies of the elements, eV/atom.
    """
    lowest: dict[str, tuple[float, AtomicSystem]] = {}
    for (name, system), result in zip(candidates, results, strict=True):
        energy = result.energy_per_atom
        counts = composition(system.numbers)
        line = sum(n * elements[element] for element, n in counts.items()) / len(system)
        if energy <= line + WINDOW and energy < lowest.get(name, (math.inf, system))[0]:
            lowest[name] = (energy, system)
    groups: dict[str, list[tuple[float, str, AtomicSystem]]] = defaultdict(list)
    for name, (energy, system) in lowest.items():
        groups[reduced_formula(system.numbers)].append((energy, name, system))
    return [system for group in groups.values() for _, _, system in sorted(group, key=lambda g: g[:2])[:BEST]]


def _energies(systems: Sequence[AtomicSystem], search: Search, steps: int, what: str) -> list[Relaxed]:
    return batch.relax_all(
        systems,
        replace(limits_for(search.relax.fmax), max_steps=steps),
        wall_limit_s=search.relax.wall_limit_s,
        workers=search.workers,
        what=what,
        device=resolve_device(search.relax.device),
        batch_atoms=search.relax.batch_atoms,
        chosen=search.chosen,
    )


def _prototype_row(system: AtomicSystem, result: Relaxed, tag: str) -> dict[str, Any]:
    return reference_row(
        system.system_id,
        reduced_formula(system.numbers),
        composition(system.numbers),
        result.energy_per_atom,
        tag,
        status=result.status,
        reason=result.reason,
    )
