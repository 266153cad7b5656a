"""Time of uniqueness and novelty of a whole test split against the training split, and what all pairs would take.

    python benchmarks/novelty.py data/mp20.arrow --workers 2

Brute force is ``StructureMatcher.fit`` on every pair of structures as they are; it is timed on a subset (every test
crystal of the subset against every training one of another) and scaled to all pairs, for one setting of the matcher.
The fast answer is for both settings. Where they overlap, the two answers are compared.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import tempfile
import time
from pathlib import Path

from machine import describe

from adit import convert
from adit.elements import reduced_formula
from adit.progress import setup
from adit.score.matching.linking import LOOSE, matcher
from adit.score.matching.matcher import Matches, index_references, match_all
from adit.store import read_systems
from adit.systems import AtomicSystem


def main() -> None:
    """Run both and write one JSON object to standard output."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--samples", type=int, default=None, help="the first so many of the test split; default: all")
    parser.add_argument("--subset", type=int, nargs=2, default=(10, 1000), help="test and training crystals, all pairs")
    args = parser.parse_args()
    setup("novelty")
    table = read_systems(args.data)
    test, train = table.systems("test")[: args.samples], table.systems("train")
    with tempfile.TemporaryDirectory() as folder:
        first, matches = fast(test, train, args.workers, Path(folder))
        again, _ = fast(test, train, args.workers, Path(folder))
    brute = all_pairs(test, train, *args.subset, matches)
    pairs = len(test) * len(train) + len(test) * (len(test) - 1) // 2
    hours = brute["seconds_a_pair"] * pairs / 3600
    report = {
        "machine": describe(),
        "test": len(test),
        "train": len(train),
        "workers": args.workers,
        "fast": first,
        "fast_with_cached_references": again,
        "all_pairs_on_a_subset": brute,
        "all_pairs_in_all": {"pairs": pairs, "core_hours": round(hours, 1)},
        "speed_up_in_processor_time": round(hours * 3600 / first["processor_s"]),
    }
    print(json.dumps(report, indent=1))


def fast(
    test: list[AtomicSystem], train: list[AtomicSystem], workers: int, cache: Path
) -> tuple[dict[str, float], Matches]:
    """Return times and counts of the fast way, and its answer."""
    wall, before = time.perf_counter(), _processor()
    index = index_references(train, ["train"] * len(train))
    matched = match_all({"test": test}, index, workers=workers, wall_limit_s=300, cache=cache)
    groups = {matches[LOOSE.name].group for matches in matched.matches.values()}
    novel = sum(not matches[LOOSE.name].in_train for matches in matched.matches.values())
    summary = {
        "wall_s": round(time.perf_counter() - wall, 1),
        "processor_s": round(_processor() - before, 1),
        "pairs_compared": matched.compared,
        "pairs_excluded_by_bound": matched.excluded,
        "not_matched": len(matched.reasons),
        "groups": len(groups),
        "novel": novel,
    }
    return summary, matched


def _processor() -> float:
    """Return the processor time of this process and of its ended children, s."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def all_pairs(
    test: list[AtomicSystem], train: list[AtomicSystem], n_test: int, n_train: int, matches: Matches
) -> dict[str, float]:
    """Compare all pairs of a subset, half of which has company of its formula; return time a pair and disagreements."""
    formulas = {reduced_formula(system.numbers) for system in train}
    candidates = [system for system in test if reduced_formula(system.numbers) in formulas][: n_test // 2]
    samples = [*candidates, *[system for system in test if system not in candidates][: n_test - len(candidates)]]
    wanted = {reduced_formula(system.numbers) for system in candidates}
    same = [system for system in train if reduced_formula(system.numbers) in wanted]
    references = [*same, *train[: max(0, n_train - len(same))]]
    plain, wrong, start = matcher(LOOSE), 0, time.process_time()
    structures = [convert.to_structure(system) for system in references]
    for sample in samples:
        structure = convert.to_structure(sample)
        hits = [plain.fit(structure, other) for other in structures]
        match = matches.get("test", sample.system_id, LOOSE)
        wrong += match is None or match.in_train != any(hits)
    n_pairs = len(samples) * len(references)
    return {
        "pairs": n_pairs,
        "of_equal_formula": sum(
            reduced_formula(s.numbers) == reduced_formula(r.numbers) for s in samples for r in same
        ),
        "seconds_a_pair": (time.process_time() - start) / n_pairs,
        "different_answers": wrong,
    }


if __name__ == "__main__":
    main()
