"""Which of the reported cases of destroyed files, started programs and unbounded inputs a checkout of this project has.

    python -m benchmarks.security_cases --checkout . --out /tmp/cases
    git worktree add /tmp/old ab94eee && python -m benchmarks.security_cases --checkout /tmp/old --out /tmp/cases-old

Runs each case by its commands, with the package and the workflow of the checkout, and prints ``safe`` or ``unsafe``
with what was seen. A command that takes more than ``--memory`` bytes, or longer than the case allows, is stopped and is
unsafe. The cases are in ``benchmarks/security/``; docs/measurements/security-cases.md has the results.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from benchmarks.security import configurations, files, inputs, network, runs
from benchmarks.security.tool import Case, Tool

CASES: list[Case] = [*files.CASES, *configurations.CASES, *runs.CASES, *inputs.CASES, *network.CASES]


def main() -> None:
    """Run the cases and print one line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkout", type=Path, required=True, help="folder of the checkout")
    parser.add_argument("--out", type=Path, required=True, help="empty folder to work in")
    parser.add_argument("--case", nargs="+", help="numbers of cases, e.g. 1 3a; default: all")
    parser.add_argument("--memory", type=float, default=3e9, help="bytes of one process")
    args = parser.parse_args()
    tool = Tool(args.checkout.resolve(), args.memory)
    for case in sorted(CASES, key=lambda case: case.order):
        if args.case and case.number not in args.case:
            continue
        folder = args.out / case.number
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        seen = case.run(tool, folder.resolve())
        print(
            f"{case.number:4s} {'unsafe' if seen else 'safe  '}  {case.what}{f': {seen}' if seen else ''}", flush=True
        )


if __name__ == "__main__":
    main()
