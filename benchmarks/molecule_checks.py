"""Time of PoseBusters on test molecules over worker processes, and whether order and number of workers matter.

python benchmarks/molecule_checks.py results/datasets/qm9.arrow --n 1000 --workers 2
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import time
from collections.abc import Sequence
from pathlib import Path

from machine import describe

from adit import seeds
from adit.posebusters import POSEBUSTERS_COLUMNS
from adit.progress import setup
from adit.score.tools.posebusters import bust, version
from adit.store import read_systems
from adit.systems import AtomicSystem

LIMIT_S = 60.0
"""Wall time of one molecule, as ``score.wall_limit_s``."""

Answer = dict[str, bool | None] | str


def main() -> None:
    """Time it and write one JSON object to standard output."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--n", type=int, default=1000, help="molecules of the test split")
    parser.add_argument("--again", type=int, default=50, help="of them, in reverse order and in one process; 0: none")
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    args = parser.parse_args()
    setup("posebusters")
    test = sorted(read_systems(args.data).systems("test"), key=lambda system: system.system_id)
    chosen = seeds.generator("posebusters-benchmark").permutation(len(test))[: args.n]
    molecules = [test[number] for number in sorted(chosen)]
    before, start = _processor(), time.perf_counter()
    answers = bust(molecules, workers=args.workers, wall_limit_s=LIMIT_S)
    wall, used = time.perf_counter() - start, _processor() - before
    measurements = {
        "machine": describe(),
        "posebusters": version(),
        "molecules": len(molecules),
        "workers": args.workers,
        "wall_s": round(wall, 1),
        "processor_s": round(used, 1),
        "processor_s_a_molecule": round(used / len(molecules), 3),
        "cores_busy": round(used / wall, 2),
        "no_answer": sum(isinstance(each, str) for each in answers),
        "passed": {column: sum(_passed(each, column) for each in answers) for column in POSEBUSTERS_COLUMNS},
        "passed_all": sum(all(_passed(each, column) for column in POSEBUSTERS_COLUMNS) for each in answers),
        "differ_in_reverse_order_and_one_process": differ(molecules[: args.again], answers),
    }
    print(json.dumps(measurements, indent=1))


def differ(molecules: Sequence[AtomicSystem], answers: Sequence[Answer]) -> int:
    """Return how many molecules have another answer in reverse order and in one process."""
    again = bust(molecules[::-1], workers=1, wall_limit_s=LIMIT_S)[::-1]
    return sum(one != other for one, other in zip(again, answers[: len(again)], strict=True))


def _passed(answer: Answer, column: str) -> bool:
    return not isinstance(answer, str) and answer[column] is True


def _processor() -> float:
    """Return the processor time of this process and of its ended children, s."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


if __name__ == "__main__":
    main()
