"""Rates against the number of samples. Source: Fig. 6."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from adit.columns import Col, Metric, Protocol, bare_name, flag, stored_as
from adit.intervals import wilson
from adit.report.figures.drawing import COLOURS, Drawing, grid_lines, new_figure, slug, styled
from adit.report.words import formats

if TYPE_CHECKING:
    import pandas as pd

FLAGS: Final = {
    "crystal": (Col.OVERALL_VALIDITY, flag(Metric.SUN, Protocol.ADIT), flag(Metric.MSUN, Protocol.ADIT)),
    "molecule": (Col.VALIDITY, Col.PDB_VALIDITY, Col.NOVEL),
    "mof": (Col.MOFCHECKER_ALL, Col.OVERALL_VALIDITY),
}
"""Columns of ``scores/<kind>`` whose rate is drawn; those of energies may have a surrogate's prefix."""

POINTS: Final = 60
"""Number of points of a curve."""


def running_rates(kind: str, frame: pd.DataFrame) -> pd.DataFrame:
    """Return each rate (0..1) over the first n samples with its 95 % Wilson interval.

    Args:
        kind: crystal, molecule or mof.
        frame: scores, one row per requested sample, in the order of sampling.

    Returns:
        A table with ``metric, n, value, low, high``; empty without samples or flags.
    """
    import pandas as pd

    if frame.empty:
        return pd.DataFrame()
    tables = []
    numbers = np.unique(np.geomspace(min(10, len(frame)), len(frame), POINTS).astype(int))
    for plain in FLAGS.get(kind, ()):
        name = stored_as(plain, frame)
        if name not in frame or frame[name].isna().all():  # no rate without checks
            continue
        passed = np.cumsum(frame[name].fillna(False).astype(bool).to_numpy())[numbers - 1]
        low, high = zip(*map(wilson, passed.tolist(), numbers.tolist()), strict=True)
        columns = {"metric": name, "n": numbers, "value": passed / numbers, "low": low, "high": high}
        tables.append(pd.DataFrame(columns))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


FOLLOWED: Final = ((Col.OVERALL_VALIDITY, ""), (Metric.SUN, Protocol.ADIT), (Metric.MSUN, Protocol.ADIT))
"""Drawn metrics and protocols of ``scores/sensitivity-crystal.csv``."""


def seeded_rates(table: pd.DataFrame) -> pd.DataFrame | None:
    """Return the mean of each rate over selections of n samples, with a band of ±2 standard deviations.

    ``None`` if there are fewer than two numbers of samples.

    Args:
        table: ``metric, protocol, samples, seed, value``.
    """
    import pandas as pd

    if not {"metric", "protocol", "samples", "value"} <= set(table.columns) or table["samples"].nunique() < 2:
        return None
    table = table.assign(protocol=table["protocol"].fillna(""), bare=[bare_name(str(m)) for m in table["metric"]])
    parts = []
    for metric, protocol in FOLLOWED:
        part = table[(table["bare"] == metric) & (table["protocol"] == protocol)]
        if part.empty:
            continue
        spread = part.groupby("samples")["value"].agg(["mean", "std", "count"]).fillna(0.0).reset_index()
        low, high = spread["mean"] - 2 * spread["std"], spread["mean"] + 2 * spread["std"]
        columns = {"metric": part["metric"].iloc[0], "n": spread["samples"], "value": spread["mean"]}
        parts.append(
            pd.DataFrame({**columns, "low": low.clip(0, 1), "high": high.clip(0, 1), "seeds": spread["count"]})
        )
    return pd.concat(parts, ignore_index=True) if parts else None


@styled
def convergence(kind: str, data: pd.DataFrame) -> Drawing:
    """Draw rates (%) against the number of samples.

    Args:
        kind: kind of the samples.
        data: table of ``running_rates`` or ``seeded_rates``.
    """
    figure, grid = new_figure(5.6, 2.9)
    axes = grid[0, 0]
    for (name, part), colour in zip(data.groupby("metric", sort=False), ("blue", "vermilion", "green"), strict=False):
        label = _label(kind, str(name))
        axes.plot(part["n"], 100 * part["value"], color=COLOURS[colour], label=label, linewidth=1.5)
        axes.fill_between(part["n"], 100 * part["low"], 100 * part["high"], color=COLOURS[colour], alpha=0.18, lw=0)
    if data["n"].max() > 300:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter("")
    axes.set_xlabel(f"{kind}s sampled")
    axes.set_ylabel("% (band: ±2 std)" if "seeds" in data else "% (band: 95 %)")
    axes.set_ylim(-2, 102)
    axes.legend(fontsize=8, loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2)
    grid_lines(axes, "y")
    return Drawing(f"convergence-{slug(kind)}", figure, data, f"Rates of {kind}s against the number of samples")


def _label(kind: str, name: str) -> str:
    """Return the name of a line, e.g. ``S.U.N.`` for the column ``sun_adit``."""
    return formats.metric(name.removesuffix("_adit"), "strict" if kind == "molecule" else "")
