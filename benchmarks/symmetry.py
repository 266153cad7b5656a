"""Relaxation with symmetry found before, and without it, of the same crystals.

    python benchmarks/symmetry.py results/demo/samples/crystal/*.arrow --n 200 --workers 2 --cache /tmp/symmetry

Relaxes each crystal as generated, and from its symmetrised structure (``relax.symmetrize: try``), and prints what each
mode gives at which cost. Finished structures are kept in ``--cache``.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from machine import describe

from adit import store
from adit.columns import Col
from adit.config import RelaxConfig
from adit.relax.prerelax import chosen_of, relax_rows, table_of
from adit.systems import Kind
from adit.units import SAME_ENERGY

if TYPE_CHECKING:
    import pandas as pd

Record = dict[str, Any]


def modes(frame: pd.DataFrame) -> list[Record]:
    """Return what each of ``relax.symmetrize``: off, try, only did or would have done, from one run with ``try``.

    Args:
        frame: rows of ``relaxed/crystal/<shard>.parquet`` of a run with ``relax.symmetrize: try``.

    Returns:
        One record per mode: ``relaxed`` and ``p1`` (counts), ``steps`` (sum), ``seconds`` (sum), ``lower`` and
        ``higher`` (counts of crystals that ended more than ``SAME_ENERGY`` below and above the mode off).
    """
    import numpy as np

    difference = frame[Col.SYMMETRIZED_ENERGY_DIFFERENCE].astype(float)
    raw_relaxed = frame[Col.RAW_SPACEGROUP].fillna(0) > 0
    symmetric = frame[Col.SYMMETRIZED_SPACEGROUP_AFTER].fillna(0) > 0
    kept = frame[Col.SYMMETRIZED].astype(bool)
    groups = {
        "off": frame[Col.RAW_SPACEGROUP].where(raw_relaxed),
        "try": frame[Col.SYMMETRIZED_SPACEGROUP_AFTER].where(kept, frame[Col.RAW_SPACEGROUP].where(raw_relaxed)),
        "only": frame[Col.SYMMETRIZED_SPACEGROUP_AFTER].where(symmetric, frame[Col.RAW_SPACEGROUP].where(raw_relaxed)),
    }
    used = {"off": kept & False, "try": kept, "only": symmetric}
    raw = {"steps": frame[Col.RAW_STEPS].fillna(0), "seconds": frame[Col.RAW_WALL_S].fillna(0.0)}
    own = {"steps": frame[Col.SYMMETRIZED_STEPS].fillna(0), "seconds": frame[Col.SYMMETRIZED_WALL_S].fillna(0.0)}
    records = []
    for mode, group in groups.items():
        costs = {
            name: float(
                {"off": raw[name], "try": raw[name] + own[name], "only": own[name] + raw[name].where(~symmetric, 0)}[
                    mode
                ].sum()
            )
            for name in raw
        }
        change = difference.where(used[mode] & np.isfinite(difference), 0.0)
        records.append(
            {
                "mode": mode,
                "relaxed": int(group.notna().sum()),
                "p1": int((group == 1).sum()),
                **costs,
                "lower": int((change < -SAME_ENERGY).sum()),
                "higher": int((change > SAME_ENERGY).sum()),
            }
        )
    return records


def main() -> None:
    """Relax, and print one JSON record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("samples", type=Path, nargs="+", help="files of samples")
    parser.add_argument("--n", type=int, default=200, help="crystals")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--cache", type=Path)
    args = parser.parse_args()
    systems = [
        each for path in args.samples for each in store.read_systems(path).systems() if each.kind is Kind.CRYSTAL
    ]
    config = RelaxConfig(symmetrize="try")
    rows = systems[: args.n]
    frame, _ = table_of(rows, relax_rows(config, rows, args.workers, args.cache), chosen_of(config).energy_tag)
    tried = frame[Col.SYMMETRY_TOLERANCE].notna()
    print(
        json.dumps(
            {
                "machine": describe(),
                "crystals": len(rows),
                "p1_generated": int((frame[Col.SPACEGROUP_BEFORE] == 1).sum()),
                "with_a_symmetry": int(tried.sum()),
                "by_tolerance": {str(k): int(v) for k, v in frame[Col.SYMMETRY_TOLERANCE].value_counts().items()},
                "kept": int(frame[Col.SYMMETRIZED].sum()),
                "modes": modes(frame),
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
