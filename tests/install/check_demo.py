"""Check that a run of the demo did what it is for: DFT by GPAW, converged, and a page that shows it.

    python3 tests/install/check_demo.py [results/demo]

Standard library only. Exit status 1 and one line per fault, unless the engine was GPAW, at least three structures
converged, and the page is there.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

CONVERGED = 3  # of the four structures that the demo sends


def faults(run: Path) -> list[str]:
    """Return what is wrong with a run, one sentence each."""
    results = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(run.glob("dft/*/result.json"))]
    wrong = [] if results else [f"{run}/dft: no structure was sent to DFT"]
    others = sorted({str(result.get("code")) for result in results if not str(result.get("code")).startswith("gpaw")})
    if others:
        wrong.append(f"{run}/dft: the engine was {', '.join(others)} instead of GPAW")
    converged = sum(result.get("status") == "converged" for result in results)
    if converged < CONVERGED:
        wrong.append(f"{run}/dft: {converged} of {len(results)} structures converged; at least {CONVERGED} must")
    page = run / "report" / "index.html"
    if not page.is_file() or "</html>" not in page.read_text(encoding="utf-8"):
        wrong.append(f"{page}: no whole page")
    return wrong


def main() -> int:
    """Check the run that is named on the command line."""
    run = Path(sys.argv[1] if len(sys.argv) > 1 else "results/demo")
    wrong = faults(run)
    for fault in wrong:
        print(f"error: {fault}", file=sys.stderr)
    if not wrong:
        print(f"{run}: DFT by GPAW, at least {CONVERGED} structures converged, the page is there")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
