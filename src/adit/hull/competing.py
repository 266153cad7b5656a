"""Competing phases without the internet: prototypes of the pairs of elements of which a hull has no compound.

Pairs are searched in worker processes (``pair_search``). A pair is finished as a whole and kept in a table of the
format of ``shipped``; such tables can be copied to other machines and merged.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

from adit.columns import Col
from adit.config import RelaxConfig
from adit.errors import ConfigError, ExternalToolError
from adit.hull.convex_hull import Hull, ReferenceEntry
from adit.hull.pair_search import MAX_STEPS, SEARCHED, SET, LateError, PairResult, PairTask, load_search, search_pair
from adit.hull.reference import limits_for
from adit.hull.shipped import TABLE, add_set, read_shipped
from adit.isolate import Outcome, map_isolated
from adit.progress import log
from adit.relax.potentials.chosen import Chosen
from adit.relax.potentials.together import CPU_BATCH_ATOMS, resolve_device
from adit.relax.prerelax import chosen_of

PAIR_LIMITS = 20
"""Longest time of a pair, as a multiple of the wall limit of a structure (``relax.wall_limit_s``); then its worker is
stopped."""


STARTUP_S = 600.0
"""Longest time in which a worker must have loaded its potential, s."""

SHORT_STARTUP_S = 60.0
"""The same in a search with a limit of wall time; then no pair is searched."""


@dataclass(frozen=True)
class Search:
    """Settings of the search for missing pairs.

    Attributes:
        relax: settings; the potential is that of the hull.
        cache: table of finished pairs, read and written.
        core_hours: budget of the whole search, core hours; pairs that are not finished then are left out.
        workers: largest number of processes.
        judges: potentials whose energies of the relaxed prototypes are kept too.
        wall_s: largest wall time of the search, s, after the workers have loaded their potentials; pairs that are not
            finished then are left out; ``None``: no limit.
        ternaries: whether sets of three elements are searched after the pairs, as far as the budget goes.
    """

    relax: RelaxConfig
    cache: Path
    core_hours: float
    workers: int
    judges: tuple[Chosen, ...] = ()
    wall_s: float | None = None
    ternaries: bool = False

    @property
    def chosen(self) -> Chosen:
        """Return the potential."""
        return chosen_of(self.relax)

    @property
    def fmax(self) -> float:
        """Return the largest force of a relaxed prototype, eV/Å."""
        return limits_for(self.relax.fmax).fmax


def missing_pairs(hull: Hull, chemical: Iterable[frozenset[str]]) -> list[str]:
    """Return the pairs of which a hull has no compound, e.g. ``Fe-Zr``; pairs of most chemical systems come first.

    A pair with an element that has no reference is left out: compounds without their elements make no hull.

    Args:
        hull: the reference entries.
        chemical: sets of elements in question, one for each structure.
    """
    counts: Counter[str] = Counter()
    for elements in chemical:
        gaps = set(hull.gaps(elements))
        pairs = ["-".join(pair) for pair in combinations(sorted(elements), 2)]
        counts.update(pair for pair in pairs if pair in gaps and set(pair.split("-")) <= set(hull.elements))
    return [pair for pair, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]


def missing_triples(hull: Hull, chemical: Iterable[frozenset[str]]) -> list[str]:
    """Return the sets of three elements of which a hull has no compound, e.g. ``Fe-O-Zr``; most frequent ones first.

    Args:
        hull: the reference entries.
        chemical: sets of elements in question, one for each structure.
    """
    counts: Counter[str] = Counter()
    for elements in chemical:
        if hull.complete or any(elements <= whole for whole in hull.whole):
            continue
        triples = combinations(sorted(elements & set(hull.elements)), 3)
        counts.update("-".join(triple) for triple in triples if frozenset(triple) not in hull.entries)
    return [triple for triple, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]


def with_prototypes(hull: Hull, chemical: Iterable[frozenset[str]], search: Search) -> Hull:
    """Return a hull with the prototypes of its missing pairs, as far as they are cached or within the budget.

    Args:
        hull: reference entries of the search's potential.
        chemical: sets of elements in question.
        search: settings of the search.

    Raises:
        ConfigError: the hull has energies of another method than the search.
        ExternalToolError: the potential does not load in a worker process.
    """
    tag = search.chosen.energy_tag
    if tag != hull.tag:
        raise ConfigError(
            f"hull.competing prototypes: they would be {tag}, the hull is {hull.tag}; set hull.reference: builtin, or "
            "hull.competing: none"
        )
    chemical, started = list(chemical), time.monotonic()
    wanted = missing_pairs(hull, chemical)
    grown = _completed(hull, wanted, search)
    log.info("%d of %d missing pairs completed with prototypes", len(grown.completed & set(wanted)), len(wanted))
    if left := len(set(wanted) - grown.completed):
        limits = f"{search.core_hours:g} core hours" + (f" or {search.wall_s:g} s" if search.wall_s is not None else "")
        log.info("%d pairs failed or are beyond the budget of %s, and stay unknown", left, limits)
    if not search.ternaries:
        return grown
    triples = missing_triples(grown, chemical)
    grown = _completed(grown, triples, _rest(search, time.monotonic() - started))
    log.info("%d of %d sets of three elements have prototypes", len(grown.completed & set(triples)), len(triples))
    return grown


def _completed(hull: Hull, wanted: Sequence[str], search: Search) -> Hull:
    """Return the hull with the prototypes of sets of elements, as far as they are cached or within the budget."""
    if todo := unfinished(search, wanted):
        _search(todo, hull, search)
    return extended(hull, finished(search.chosen, search.fmax, wanted, search.cache))


def _rest(search: Search, spent_s: float) -> Search:
    """Return a search with what is left of its budget after some wall time (s)."""
    core_hours = max(0.0, search.core_hours - spent_s * search.workers / 3600)
    return replace(
        search, core_hours=core_hours, wall_s=None if search.wall_s is None else max(0.0, search.wall_s - spent_s)
    )


def with_finished(
    hull: Hull, chemical: Iterable[frozenset[str]], chosen: Chosen, fmax: float, cache: Path, ternaries: bool = False
) -> Hull:
    """Return a hull with the prototypes of its missing pairs that were searched before; nothing is computed.

    Args:
        hull: reference entries of the potential.
        chemical: sets of elements in question.
        chosen: the potential.
        fmax: largest force, eV/Å; prototypes relaxed to larger forces are not used.
        cache: table of finished pairs.
        ternaries: whether sets of three elements are used too.
    """
    chemical = list(chemical)
    wanted = missing_pairs(hull, chemical)
    done = finished(chosen, fmax, wanted, cache)
    log.info("%d of %d missing pairs have prototypes by %s", len(done), len(wanted), chosen.label)
    grown = extended(hull, done)
    if not ternaries:
        return grown
    return extended(grown, finished(chosen, fmax, missing_triples(grown, chemical), cache))


def unfinished(search: Search, wanted: Sequence[str]) -> list[str]:
    """Return the pairs of ``wanted`` that the potential, or a judge that knows both elements, has not searched."""
    done = {chosen: finished(chosen, search.fmax, wanted, search.cache) for chosen in (search.chosen, *search.judges)}
    return [
        pair for pair in wanted if any(pair not in pairs and _knows(chosen, pair) for chosen, pairs in done.items())
    ]


def _knows(chosen: Chosen, pair: str) -> bool:
    from ase.data import atomic_numbers

    return all(atomic_numbers[name] in chosen.potential.elements for name in pair.split("-"))


def _search(pairs: Sequence[str], hull: Hull, search: Search) -> None:
    """Search pairs in worker processes, up to the deadline, and write each to the table as soon as it is finished."""
    workers, device = max(1, min(search.workers, len(pairs))), resolve_device(search.relax.device)
    if device != "cpu":
        workers = 1
    limit_s, wall_s = 3600 * search.core_hours / workers, math.inf if search.wall_s is None else search.wall_s
    if min(limit_s, wall_s) <= 0:
        return
    startup_s = min(limit_s, STARTUP_S if search.wall_s is None else SHORT_STARTUP_S)
    deadline = time.time() + limit_s
    tasks = [
        PairTask(
            pair,
            {name: hull.elements[name] for name in pair.split("-")},
            search.chosen,
            tuple(judge for judge in search.judges if _knows(judge, pair)),
            replace(limits_for(search.relax.fmax), max_steps=MAX_STEPS),
            device,
            CPU_BATCH_ATOMS if device == "cpu" else search.relax.batch_atoms,
            deadline,
            wall_s,
            _compounds(hull, pair),
        )
        for pair in pairs
    ]
    spent: list[float] = []

    def take(index: int, outcome: Outcome) -> None:
        if outcome.status != "ok" and time.time() > deadline:
            raise LateError
        if outcome.status == "unstarted" and search.wall_s is not None and outcome.wall_s >= startup_s:
            log.warning("%s is not loaded within %.0f s; no pair is searched", search.chosen.label, startup_s)
            raise LateError
        if outcome.status == "unstarted":
            raise ExternalToolError(f"{search.chosen.label} does not load in a worker process: {outcome.reason}")
        result = outcome.value if outcome.status == "ok" else PairResult()
        spent.append(result.core_s)
        if not result.complete:
            raise LateError
        if not result.rows:
            log.warning("%s: no prototype has an energy; the pair stays unknown %s", pairs[index], outcome.reason)
        for chosen, rows in result.rows.items():
            add_set(chosen.identity(), SET + pairs[index], rows, search.fmax, search.cache)
        log.info("%s: %.1f core s; %d of %d pairs", pairs[index], result.core_s, len(spent), len(pairs))

    with contextlib.suppress(LateError):
        map_isolated(
            search_pair,
            tasks,
            workers=workers,
            wall_limit_s=PAIR_LIMITS * search.relax.wall_limit_s,
            startup_s=startup_s,
            on_result=take,
            warm_up=partial(load_search, search.chosen, search.judges, device),
        )


def _compounds(hull: Hull, name: str) -> tuple[ReferenceEntry, ...]:
    """Return the compounds inside three elements; of two elements there is none."""
    elements = frozenset(name.split("-"))
    return tuple(entry for entry in hull.within(elements) if len(entry.elements) > 1) if len(elements) > 2 else ()


def extended(hull: Hull, done: dict[str, list[dict[str, Any]]]) -> Hull:
    """Return the hull with the entries of searched pairs added.

    Args:
        hull: the reference entries.
        done: pair → its reference rows; rows without an energy only say that the pair was searched.
    """
    import json

    entries = [entry for each in hull.entries.values() for entry in each]
    entries += [
        ReferenceEntry(json.loads(row[Col.COMPOSITION]), float(row[Col.ENERGY_PER_ATOM]))
        for rows in done.values()
        for row in rows
        if math.isfinite(row[Col.ENERGY_PER_ATOM])
    ]
    grown = Hull.from_entries(hull.tag, entries)
    return replace(grown, complete=hull.complete, whole=hull.whole, completed=hull.completed | frozenset(done))


def finished(chosen: Chosen, fmax: float, pairs: Sequence[str], cache: Path) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of pairs that were searched before, in the package's table or in the user's, by pair.

    Args:
        chosen: the potential whose energies are returned.
        fmax: largest force, eV/Å; prototypes relaxed to larger forces are not used.
        pairs: the pairs in question.
        cache: the user's table.
    """
    results: dict[str, list[dict[str, Any]]] = {}
    for path in (TABLE, cache):
        frame = read_shipped(chosen.identity(), path).frame
        frame = frame[frame["set"].astype(str).str.startswith(SET) & (frame[Col.FMAX] <= fmax)]
        for name, rows in frame.groupby("set"):
            pair = str(name).removeprefix(SET)
            if pair in pairs and (rows[Col.STATUS] == SEARCHED).any():
                results[pair] = rows.to_dict("records")
    return results
