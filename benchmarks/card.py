"""The table of the card of the weights, from the scores of a run: samples beside control rows and the paper.

make run CONFIG=config/card.yaml MIRROR=...
python benchmarks/card.py results/card [--hull hull.parquet]     # or a folder of adit score, and a file of adit hull
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pandas as pd

from adit.store import read_frame, read_json

PAPER = {
    ("crystal", "adit", "structural_validity"): 99.74,
    ("crystal", "adit", "compositional_validity"): 92.14,
    ("crystal", "adit", "overall_validity"): 91.92,
    ("molecule", "adit", "adit_pdb_validity"): 94.5,
    ("molecule", "adit", "uniqueness_of_valid"): 97.8,
}
"""The paper's joint model, %: Table 1 and the slides (molecules with hydrogens)."""

SAMPLES = "samples"


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("run", type=Path)
    options.add_argument("--metrics", nargs="*", help="default: all")
    options.add_argument("--hull", type=Path, help="energies above the hull, by adit hull")
    args = options.parse_args()
    metrics_read: list[dict[str, Any]] = list(read_json(args.run / "scores/summary.json"))  # type: ignore[arg-type]
    print(table(metrics_read, args.metrics).to_markdown(index=False))
    if args.hull:
        print("\n" + energies(read_frame(args.hull)).to_markdown(index=False))


def table(entries: list[dict[str, Any]], metrics: list[str] | None) -> pd.DataFrame:
    """Return a row for each number of the samples."""
    populations = list(dict.fromkeys(row["population"] for row in entries if row["population"] != SAMPLES))
    others = {(row["kind"], row["protocol"], row["metric"], row["population"]): row for row in entries}
    rows = []
    for row in entries:
        key = (row["kind"], row["protocol"], row["metric"])
        if row["population"] != SAMPLES or row["numerator"] is None or (metrics and row["metric"] not in metrics):
            continue
        named = {"kind": row["kind"], "number": row["metric"], "protocol": row["protocol"], "weights": cell(row, True)}
        controls = {name: cell(others.get((*key, name)), False) for name in populations}
        rows.append(named | controls | {"paper": PAPER.get(key, "")})
    return pd.DataFrame(rows)


def energies(hull: pd.DataFrame) -> pd.DataFrame:
    """Return how many energies are at or below the hull and near it, of all and of chemistries that it covers whole."""
    (name,) = [column for column in hull if column.endswith("e_above_hull")]
    covered = hull[hull["hull_covers_chemistry"].fillna(False).astype(bool)]
    rows = []
    for population, part in (("all", hull), ("of a chemistry that the hull covers", covered)):
        values = part[name].dropna()
        counts = {"≤ 0": int((values <= 0).sum()), "< 0.1 eV/atom": int((values < 0.1).sum())}
        rows.append(
            {"crystals": population, "with an energy": len(values), **counts, "median": round(values.median(), 3)}
        )
    return pd.DataFrame(rows)


def cell(row: dict[str, Any] | None, full: bool) -> str:
    """Return a share in %, in full with its interval and its counts."""
    if row is None or row.get("value") is None:
        return ""
    value = 100 * row["value"]
    if not full:
        return f"{value:.1f}"
    return f"{value:.1f} ({100 * row['low']:.1f}-{100 * row['high']:.1f}), {row['numerator']}/{row['denominator']}"


if __name__ == "__main__":
    main()
