"""What symmetry found before relaxation changed: space groups, steps, time, energies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adit.columns import Col
from adit.report.words import formats
from adit.units import SAME_ENERGY

if TYPE_CHECKING:
    import pandas as pd


def facts(frame: pd.DataFrame | None) -> dict[str, str]:
    """Return names and values for the page; empty if no symmetry was tried.

    Args:
        frame: rows of ``relaxed/crystal/<shard>.parquet``.
    """
    if frame is None or Col.SYMMETRIZED not in frame or frame.empty:
        return {}
    n = len(frame)
    tried = frame[Col.SYMMETRY_TOLERANCE].notna()
    difference = frame[Col.SYMMETRIZED_ENERGY_DIFFERENCE].astype(float)
    relaxed = frame[Col.SPACEGROUP_AFTER] > 0
    both = frame[tried & difference.notna()]
    values = {
        "structures with a symmetry within the tolerances": f"{int(tried.sum())} of {n}",
        "symmetric relaxation kept": f"{int(frame[Col.SYMMETRIZED].astype(bool).sum())} of {n}",
        "P1 before": formats.percent((frame[Col.SPACEGROUP_BEFORE] == 1).mean()),
        "P1 after, of relaxed": formats.percent((frame[Col.SPACEGROUP_AFTER] == 1)[relaxed].mean()),
    }
    if len(both):
        lower, higher = (difference < -SAME_ENERGY).sum(), (difference > SAME_ENERGY).sum()
        values |= {
            "relaxed both ways": f"{len(both)}",
            f"symmetric one lower in energy (more than {1000 * SAME_ENERGY:g} meV/atom)": f"{int(lower)}",
            "symmetric one higher": f"{int(higher)}",
            "steps: as generated, symmetric": _pair(both[Col.RAW_STEPS].sum(), both[Col.SYMMETRIZED_STEPS].sum()),
            "time: as generated, symmetric": ", ".join(
                formats.seconds(float(both[column].sum())) for column in (Col.RAW_WALL_S, Col.SYMMETRIZED_WALL_S)
            ),
        }
    return values


def _pair(first: float, second: float) -> str:
    return f"{formats.count(int(first))}, {formats.count(int(second))}"
