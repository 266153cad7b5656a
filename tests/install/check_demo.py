"""Check that a run of the demo did what it is for: DFT by GPAW, converged, and a page that shows it.

    python3 tests/install/check_demo.py [results/demo]

Standard library only. Exit status 1 and one line per fault, unless the engine was GPAW, enough of the crystals and
molecules converged, and the page is there.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

CONVERGED = {"crystal": 3, "molecule": 1}  # of the four crystals and the two molecules that the demo sends


def faults(run: Path) -> list[str]:
    """Return what is wrong with a run, one sentence each."""
    paths = sorted(run.glob("dft/*/result.json"))
    results = [(path.parent.name, json.loads(path.read_text(encoding="utf-8"))) for path in paths]
    wrong = [] if results else [f"{run}/dft: no structure was sent to DFT"]
    others = {str(result.get("code")) for _, result in results if not str(result.get("code")).startswith("gpaw")}
    if others:
        wrong.append(f"{run}/dft: the engine was {', '.join(sorted(others))} instead of GPAW")
    for kind, least in CONVERGED.items():
        ends = [result.get("status") for name, result in results if name.startswith(kind)]
        converged = ends.count("converged")
        if converged < least:
            wrong.append(f"{run}/dft: {converged} of {len(ends)} {kind}s converged; at least {least} must")
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
        print(f"{run}: DFT by GPAW, enough structures converged, the page is there")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
