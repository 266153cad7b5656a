"""The control rows of a reference, as the tables of docs/measurements/controls.md.

    python benchmarks/controls.py results/datasets/qm9.arrow --kind molecule --workers 2 --xtb 20 --cache .cache

They are what ``adit score SAMPLES --reference results/datasets/qm9.arrow`` puts beside any samples, by the same code
and the same defaults; here there are no samples. Names and numbers are those of ``summary.json`` and ``measures.json``.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from adit import store
from adit.columns import CONTROLS
from adit.config import Config, ScoreConfig, ScoreStage
from adit.progress import log, setup
from adit.score.common.inputs import Energies, read_known_systems
from adit.score.score import score_rows
from adit.systems import Kind


def main() -> None:
    """Score the control rows and write two Markdown tables to standard output."""
    defaults = ScoreConfig()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--kind", choices=[str(kind) for kind in Kind], default="crystal")
    parser.add_argument("--controls", type=int, default=defaults.controls, help="systems a row")
    parser.add_argument("--posebusters", type=int, default=None, help="molecules a row; default: all")
    parser.add_argument("--xtb", type=int, default=defaults.xtb, help="molecules a row")
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--cache", type=Path, default=None, help="folder that keeps what the reference alone decides")
    args = parser.parse_args()
    setup("controls")
    start, kind = time.perf_counter(), Kind(args.kind)
    score = ScoreConfig(controls=args.controls, posebusters=args.posebusters, xtb=args.xtb, mof_controls=args.controls)
    stage = Config(score=score).stage(ScoreStage)
    reference = read_known_systems([args.data], kind)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        score_rows(stage, {kind: []}, lambda _: reference, Energies(), out, args.workers, args.cache)
        verdicts = {(v["protocol"], v["metric"]): v for v in store.read_json(out / "separation.json")}
        rates = table(store.read_json(out / "summary.json"), verdicts, percent=True)
        sizes = table(store.read_json(out / "measures.json"), verdicts, percent=False)
    log.info("%.0f s on %d workers", time.perf_counter() - start, args.workers)
    print("\n".join([*rates, "", *sizes]))


def table(records: Sequence[dict[str, Any]], verdicts: dict[tuple[str, str], Any], *, percent: bool) -> list[str]:
    """Return the lines of a Markdown table: one row a metric, one column a control row, then what it can tell."""
    rates: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
    for record in records:
        rates.setdefault((record.get("protocol", ""), record["metric"]), {})[record["population"]] = record
    second = "protocol" if percent else "unit"
    lines = [f"| metric | {second} | {' | '.join(CONTROLS)} | tells noise | tells random |", "|---" * 8 + "|"]
    for (protocol, metric), rows in rates.items():
        values = [_value(rows.get(name), percent) for name in CONTROLS]
        if set(values) == {"–"}:
            continue
        verdict = verdicts.get((protocol, metric), {})
        cells = [{True: "yes", False: "no", None: "–"}[verdict.get(name)] for name in ("noise", "random")]
        named = protocol if percent else next(iter(rows.values()))["unit"]
        lines.append(f"| `{metric}` | {named} | {' | '.join(values)} | {' | '.join(cells)} |")
    return lines


def _value(record: dict[str, Any] | None, percent: bool) -> str:
    """Return the number with how many systems it is of."""
    if record is None or record["value"] is None:
        return "–"
    if percent:
        return f"{100 * record['value']:.1f} ({record['denominator']})"
    return f"{record['value']:.3g} ({record['count']})"


if __name__ == "__main__":
    main()
